package remote

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/keep-it-simple/kis/scripts"
)

// order is what the loader of the agent reads, see scripts/bootstrap.sh: a third of the bytes if it can decompress,
// and then it does so only with what it needs.
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
		Packed []int `json:"packed,omitempty"` // bytes of the two compressed parts that follow
	}{Nonce: a.nonce, Root: a.root}
	head.Timeouts.Lease, head.Timeouts.TermGrace = a.timeouts.Lease.Seconds(), a.timeouts.TermGrace.Seconds()
	if packed {
		head.Packed = []int{len(program.first), len(program.modules)}
	}
	line, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	if packed {
		return slices.Concat(line, []byte("\n"), program.first, program.modules), nil
	}
	return append(withMembers(line, program.plain), '\n'), nil
}

// program is the agent as members of an order.
type program struct {
	plain   []byte // in JSON, some hundred kilobytes
	first   []byte // the same without most modules, compressed (RFC 1950)
	modules []byte // the other modules, compressed
}

// members are those that identify the program and that each session needs.
type members struct {
	Modules [][2]string       `json:"modules"`
	Steps   map[string]string `json:"steps"`
	Program string            `json:"program"` // identifies the modules
}

// agentProgram is encoded once for all hosts.
//
//nolint:gochecknoglobals // a constant that takes a computation
var agentProgram = sync.OnceValues(func() (program, error) {
	all := members{Steps: scripts.Steps(), Program: scripts.Program()}
	for _, m := range scripts.Modules() {
		all.Modules = append(all.Modules, [2]string{m.Name, m.Source})
	}
	first, later := all, slices.DeleteFunc(slices.Clone(all.Modules), isFirst)
	first.Modules = slices.DeleteFunc(slices.Clone(all.Modules), func(m [2]string) bool { return !isFirst(m) })
	plain, err := json.Marshal(all)
	packed, err1 := compressed(first)
	modules, err2 := compressed(later)
	return program{plain, packed, modules}, errors.Join(err, err1, err2)
})

// isFirst reports whether a module finds out which others are known on the host from before.
func isFirst(m [2]string) bool { return m[0] == "kisagent" || m[0] == "kisagent.compiled" }

func compressed(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	if err == nil {
		_, err = w.Write(plain)
		err = errors.Join(err, w.Close())
	}
	return packed.Bytes(), err
}
