package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// maxWheel bounds a wheel whose size is not known, in bytes.
const maxWheel = 4 << 30

// wheelStore is the way of wheels from host to host, through this machine: each is read from one host
// once, into a temporary directory.
type wheelStore struct {
	mu      sync.Mutex
	dir     string // "" before the first wheel
	wheels  map[string]*wheelFile
	holders map[string][]*host
}

// wheelFile is one wheel in the store.
type wheelFile struct {
	mu   sync.Mutex // while it is read
	path string     // "" until it is complete
}

func newWheelStore() *wheelStore {
	return &wheelStore{wheels: map[string]*wheelFile{}, holders: map[string][]*host{}}
}

// add says that the host has the wheels.
func (s *wheelStore) add(h *host, wheels ...remote.Wheel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range wheels {
		if !slices.Contains(s.holders[w.SHA256], h) {
			s.holders[w.SHA256] = append(s.holders[w.SHA256], h)
		}
	}
}

// open opens a wheel that a host has.
func (s *wheelStore) open(ctx context.Context, w remote.Wheel) (io.ReadCloser, error) {
	file, holders, err := s.file(w)
	if err != nil {
		return nil, err
	}
	file.mu.Lock()
	defer file.mu.Unlock()
	if file.path == "" {
		if file.path, err = s.read(ctx, w, holders); err != nil {
			return nil, err
		}
	}
	return os.Open(file.path)
}

func (s *wheelStore) file(w remote.Wheel) (*wheelFile, []*host, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "kis-wheels-")
		if err != nil {
			return nil, nil, err
		}
		s.dir = dir
	}
	if s.wheels[w.SHA256] == nil {
		s.wheels[w.SHA256] = new(wheelFile)
	}
	return s.wheels[w.SHA256], slices.Clone(s.holders[w.SHA256]), nil
}

// read reads a wheel from the first host that gives it, and returns its path.
func (s *wheelStore) read(ctx context.Context, w remote.Wheel, holders []*host) (string, error) {
	var failed []error
	for _, h := range holders {
		path, err := s.readFrom(ctx, w, h)
		if err == nil {
			return path, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", h.Name, err))
	}
	if len(failed) == 0 {
		return "", event.Refuse(event.CodeNoWheels, "no host has "+w.Name, "")
	}
	return "", event.Refuse(event.CodeNoWheels, fmt.Sprintf("%s could not be read from another host: %v", w.Name, errors.Join(failed...)), "")
}

func (s *wheelStore) readFrom(ctx context.Context, w remote.Wheel, h *host) (path string, err error) {
	file, err := os.CreateTemp(s.dir, "wheel-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(file.Name()) // with the directory otherwise
		}
	}()
	sum, size := sha256.New(), int64(0)
	for {
		piece, err := h.session.Read(ctx, w.SHA256, size)
		if err != nil {
			return "", err
		}
		if len(piece) == 0 {
			break
		}
		if size += int64(len(piece)); size > maxWheel || w.Size > 0 && size > w.Size {
			return "", fmt.Errorf("more than %d bytes", size-int64(len(piece)))
		}
		if _, err := io.MultiWriter(file, sum).Write(piece); err != nil {
			return "", err
		}
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != w.SHA256 {
		return "", fmt.Errorf("its sha256 is %s, not %s", found, w.SHA256)
	}
	return file.Name(), nil
}

// close removes the temporary directory.
func (s *wheelStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
