package remote

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"

	"github.com/keep-it-simple/kis/scripts"
)

// order is what the loader of the agent reads, see scripts/bootstrap.sh: a third of the bytes if it can decompress.
func (a *Agent) order(packed bool) ([]byte, error) {
	program, err := agentProgram()
	if err != nil {
		return nil, err
	}
	head := struct {
		Nonce    string `json:"nonce"`
		Root     string `json:"root"`
		Timeouts struct {
			Lease     float64 `json:"lease"`
			TermGrace float64 `json:"term_grace"`
		} `json:"timeouts"`
		Packed int `json:"packed,omitempty"`
	}{Nonce: a.nonce, Root: a.root}
	head.Timeouts.Lease, head.Timeouts.TermGrace = a.timeouts.Lease.Seconds(), a.timeouts.TermGrace.Seconds()
	if packed {
		head.Packed = len(program.packed)
	}
	line, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	if packed {
		return append(append(line, '\n'), program.packed...), nil
	}
	return append(withMembers(line, program.plain), '\n'), nil
}

// program is the agent as members of an order.
type program struct {
	plain  []byte // in JSON, some hundred kilobytes
	packed []byte // the same, compressed (RFC 1950)
}

// agentProgram is encoded once for all hosts.
//
//nolint:gochecknoglobals // a constant that takes a computation
var agentProgram = sync.OnceValues(func() (program, error) {
	var members struct {
		Modules [][2]string       `json:"modules"`
		Steps   map[string]string `json:"steps"`
		Program string            `json:"program"` // identifies the modules
	}
	members.Steps = scripts.Steps()
	sum := sha256.New()
	for _, m := range scripts.Modules() {
		members.Modules = append(members.Modules, [2]string{m.Name, m.Source})
		_, _ = sum.Write([]byte(m.Name + "\x00" + m.Source + "\x00")) // a hash never fails
	}
	members.Program = hex.EncodeToString(sum.Sum(nil)[:8])
	plain, err := json.Marshal(members)
	if err != nil {
		return program{}, err
	}
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	if err == nil {
		_, err = w.Write(plain)
		err = errors.Join(err, w.Close())
	}
	return program{plain, packed.Bytes()}, err
})
