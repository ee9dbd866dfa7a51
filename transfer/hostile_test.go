package transfer_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/transfer"
)

// lies are changes of a host's answers, four bytes each: the answer, the kind of change, its place,
// the new byte.
type lies []byte

// tell forwards a server's answers with the changes. The first, its version, is unchanged.
func (l lies) tell(to io.Writer, from io.Reader) {
	for n := -1; ; n++ {
		head := make([]byte, 4)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		for lie := l; len(lie) >= 4; lie = lie[4:] {
			if n >= 0 && n == int(lie[0])%answers {
				head, body = change(head, body, lie[1], lie[2], lie[3])
			}
		}
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// answers is how many of them a transfer of size takes, about.
const (
	size    = 200_000
	answers = 12
)

func change(head, body []byte, kind, at, value byte) ([]byte, []byte) {
	if len(head) == 0 { // an answer that is never sent
		return head, body
	}
	place := int(at) % max(1, len(body))
	switch kind % 6 {
	case 0: // another byte
		if len(body) > 0 {
			body[place] = value
		}
	case 1: // an answer that is too short, and says so
		body = body[:place]
		binary.BigEndian.PutUint32(head, uint32(len(body)))
	case 2: // an answer that is shorter than it says
		body = body[:place]
	case 3: // one that is said to be huge
		head[int(at)%4] = value
	case 4: // twice
		body = append(body, append(bytes.Clone(head), body...)...)
	case 5: // never
		return nil, nil
	}
	return head, body
}

// FuzzPutToHostileHost: whatever a host answers, Put ends in time, uses little memory and returns
// an *Error. It returns nil only if the file is complete, or if the host says so in a well-formed
// answer.
func FuzzPutToHostileHost(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2)) // the same at every run
	for range 60 {
		seed := make([]byte, 4*(1+random.IntN(3)))
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, told []byte) {
		here, between := net.Pipe()
		server, there := net.Pipe()
		d := new(disk)
		var running sync.WaitGroup
		requests := sftp.NewRequestServer(there, sftp.Handlers{FilePut: d, FileCmd: d, FileList: d})
		running.Go(func() { _ = requests.Serve() })
		running.Go(func() { _, _ = io.Copy(server, between) })
		running.Go(func() { lies(told).tell(between, server) })
		defer func() {
			for _, c := range []io.Closer{here, between, server, there} {
				_ = c.Close()
			}
			running.Wait()
		}()
		c, err := sftp.NewClientPipe(here, here)
		require.NoError(t, err)
		defer c.Close() //nolint:errcheck // closed already, as a rule

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		err = transfer.Put(t.Context(), c, io.LimitReader(zeros{}, size), size, "/part", transfer.Options{Stall: 50 * time.Millisecond})
		assert.Less(t, time.Since(begin), 20*time.Second)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
		if err != nil {
			var own *transfer.Error
			require.ErrorAs(t, err, &own)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		assert.EqualValues(t, size, d.size)
		assert.False(t, d.removed)
	})
}
