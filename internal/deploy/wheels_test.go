package deploy_test

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// wheelOf is a wheel of version 1.0 with these members.
func wheelOf(t *testing.T, name string, members map[string]string) []byte {
	t.Helper()
	return wheelWith(t, name, "1.0", "", members)
}

// wheelWith is wheelOf for any version. more is appended to the metadata.
func wheelWith(t *testing.T, name, version, more string, members map[string]string) []byte {
	t.Helper()
	info := name + "-" + version + ".dist-info/"
	members[info+"METADATA"] = "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + more
	members[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	record := info + "RECORD,,\n"
	for member := range members {
		record += member + ",,\n"
	}
	members[info+"RECORD"] = record
	var out bytes.Buffer
	zipped := zip.NewWriter(&out)
	for member, text := range members {
		file, err := zipped.Create(member)
		require.NoError(t, err)
		_, err = file.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, zipped.Close())
	return out.Bytes()
}
