package deploy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/remote"
)

// maxFile bounds a file whose size is not known, in bytes.
const maxFile = 4 << 30

// exchange is the way of files from host to host, through this machine: wheels, and the archives and recipes of
// packages. Each is read from one host once, into a temporary directory.
type exchange struct {
	mu      sync.Mutex
	dir     string // "" before the first file
	files   map[string]*exchangedFile
	holders map[string][]*host
	line    line // from hosts to this machine
}

// exchangedFile is one of them.
type exchangedFile struct {
	mu       sync.Mutex // while it is read
	path     string     // "" until it is complete
	complete bool       // guarded by the exchange
}

func newExchange() *exchange {
	return &exchange{files: map[string]*exchangedFile{}, holders: map[string][]*host{}}
}

// add says that the host has the files.
func (s *exchange) add(h *host, files ...remote.Wheel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range files {
		if !slices.Contains(s.holders[w.SHA256], h) {
			s.holders[w.SHA256] = append(s.holders[w.SHA256], h)
		}
	}
}

// open opens a file that a host has.
func (s *exchange) open(ctx context.Context, w remote.Wheel) (*os.File, error) {
	file, holders, err := s.file(w)
	if err != nil {
		return nil, err
	}
	file.mu.Lock()
	defer file.mu.Unlock()
	if file.path == "" {
		begun := time.Now()
		if file.path, err = s.read(ctx, w, holders); err != nil {
			return nil, err
		}
		s.measure(file, w.Size, time.Since(begun))
	}
	return os.Open(file.path)
}

// lasts is how long it takes to read what of these files is not here yet; that is not known before one was read.
func (s *exchange) lasts(files ...remote.Wheel) (took time.Duration, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bytes int64
	for _, w := range files {
		if file := s.files[w.SHA256]; file == nil || !file.complete {
			bytes += w.Size
		}
	}
	if bytes == 0 {
		return 0, true
	}
	return s.line.lasts(bytes), s.line.isKnown()
}

// measure notes how long a file took.
func (s *exchange) measure(file *exchangedFile, bytes int64, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	file.complete = true
	s.line.measure(bytes, took)
}

func (s *exchange) file(w remote.Wheel) (*exchangedFile, []*host, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "kis-exchange-")
		if err != nil {
			return nil, nil, err
		}
		s.dir = dir
	}
	if s.files[w.SHA256] == nil {
		s.files[w.SHA256] = new(exchangedFile)
	}
	return s.files[w.SHA256], slices.Clone(s.holders[w.SHA256]), nil
}

// read reads a file from the first host that gives it, and returns its path. It begins with the host that has it since the
// least time: one that has said so before may have failed since.
func (s *exchange) read(ctx context.Context, w remote.Wheel, holders []*host) (string, error) {
	var failed []error
	for _, h := range slices.Backward(holders) {
		path, err := s.readFrom(ctx, w, h)
		if err == nil {
			return path, nil
		}
		if local, some := errors.AsType[*os.PathError](err); some {
			return "", event.Refuse(event.CodeNoWheels, fmt.Sprintf("%s could not be stored on this machine: %v", w.Name, local), "if its disk is full, free some space, or set TMPDIR to a directory on another one")
		}
		failed = append(failed, fmt.Errorf("%s: %w", h.Name, err))
	}
	if len(failed) == 0 {
		return "", event.Refuse(event.CodeNoWheels, "no host has "+w.Name, "")
	}
	return "", event.Refuse(event.CodeNoWheels, fmt.Sprintf("%s could not be read from another host: %v", w.Name, errors.Join(failed...)), "")
}

func (s *exchange) readFrom(ctx context.Context, w remote.Wheel, h *host) (path string, err error) {
	file, err := os.CreateTemp(s.dir, "file-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(file.Name()) // with the directory otherwise
		}
	}()
	limit := min(cmp.Or(w.Size, maxFile), maxFile)
	size, err := readStored(ctx, h.session, w.SHA256, limit, file)
	if err == nil && w.Size > 0 && size != w.Size {
		err = fmt.Errorf("%d bytes, not %d", size, w.Size)
	}
	return file.Name(), err
}

// readStored reads a file that is stored on a host, at most limit bytes, and returns its size.
func readStored(ctx context.Context, s *fleet.Session, digest string, limit int64, to io.Writer) (size int64, err error) {
	sum := sha256.New()
	for {
		piece, err := s.Read(ctx, digest, size)
		if err != nil {
			return size, err
		}
		if len(piece) == 0 {
			break
		}
		if size+int64(len(piece)) > limit {
			return size, fmt.Errorf("more than %d bytes", limit)
		}
		size += int64(len(piece))
		if _, err := io.MultiWriter(to, sum).Write(piece); err != nil {
			return size, err
		}
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != digest {
		return size, fmt.Errorf("its sha256 is %s, not %s", found, digest)
	}
	return size, nil
}

// readRecipe reads the text of the recipe that a receipt names from the host of the receipt.
func readRecipe(ctx context.Context, s *fleet.Session, receipt *remote.Receipt) ([]byte, error) {
	var text bytes.Buffer
	_, err := readStored(ctx, s, recipeSum(receipt), maxRecipe, &text)
	return text.Bytes(), err
}

// size is the number of bytes of a file that hosts have.
func (s *exchange) size(ctx context.Context, w remote.Wheel) (int64, error) {
	file, err := s.open(ctx, w)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// readAll is the content of a small file that hosts have.
func (s *exchange) readAll(ctx context.Context, w remote.Wheel) ([]byte, error) {
	file, err := s.open(ctx, w)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(file, maxRecipe))
}

// maxRecipe bounds the text of a recipe, in bytes.
const maxRecipe = 1 << 20

// close removes the temporary directory.
func (s *exchange) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
