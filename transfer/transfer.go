// Package transfer puts one file on one host over SFTP so that it is whole or
// absent. It does not name, verify or move the file into place: the caller
// chose a random name in a private folder, and compares the digest on the host
// afterwards.
package transfer

import (
	"context"
	"errors"
	"io"

	"github.com/pkg/sftp"
)

// Put writes exactly size bytes of src to the new file dst.
func Put(ctx context.Context, c *sftp.Client, src io.Reader, size int64, dst string, progress func(done int64)) error {
	return errors.New("unfinished")
}
