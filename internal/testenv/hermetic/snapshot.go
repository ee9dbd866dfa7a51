package hermetic

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// snapshot is the state of a machine: the watched paths with their entries, and the mounts. Both
// map a name to everything that must not change of it.
type snapshot struct {
	files  map[string]string
	mounts map[string]string
}

func takeSnapshot(paths []string, mountTable string) (snapshot, error) {
	s := snapshot{files: map[string]string{}, mounts: map[string]string{}}
	for _, path := range paths {
		if err := s.add(path); err != nil {
			return snapshot{}, err
		}
	}
	text, err := os.ReadFile(mountTable)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	for line := range strings.Lines(string(text)) {
		s.addMount(strings.TrimSuffix(line, "\n"))
	}
	return s, err
}

// add records a path and, of a directory, its entries. A path that does not exist, or that this
// user may not read, is recorded as that.
func (s snapshot) add(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.files[path] = describe(info)
	if !info.IsDir() {
		return nil
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it was removed just now
			s.files[filepath.Join(path, e.Name())] = describe(info)
		}
	}
	return nil
}

// describe is what stat(2) says of a file. The inode shows that a file was replaced, as by
// useradd(8) and then userdel(8).
func describe(info fs.FileInfo) string {
	text := fmt.Sprintf("%v, %d bytes, changed %v", info.Mode(), info.Size(), info.ModTime())
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		text += fmt.Sprintf(", owner %d:%d, inode %d", s.Uid, s.Gid, s.Ino)
	}
	return text
}

// ofServices are directories below which services mount and unmount at any time: container
// runtimes, sessions, package managers, whatever mounts removable disks. No test has a reason to
// mount there.
func ofServices() []string {
	return []string{"/run", "/var/lib", "/media", "/snap", "/sys", "/proc"}
}

// isOfTest reports whether a mount is in the temporary directory of a test, perhaps one of another
// package that runs at the same time. A test that leaves a mount there fails by itself: testing
// cannot remove the directory.
func isOfTest(point string) bool {
	temporary, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return false
	}
	below, err := filepath.Rel(temporary, point)
	return err == nil && strings.HasPrefix(below, "Test") && strings.Contains(below, "/")
}

// addMount records a line of mountinfo, see proc(5): number, parent, device, root, mount point and
// more.
func (s snapshot) addMount(line string) {
	fields := strings.Fields(line)
	if len(fields) < 5 {
		return
	}
	point := fields[4]
	if isOfTest(point) {
		return
	}
	for _, top := range ofServices() {
		if strings.HasPrefix(point, top+"/") {
			return
		}
	}
	s.mounts[point+" (mount "+fields[0]+")"] = line
}

// compare lists what differs afterwards.
func (s snapshot) compare(after snapshot) []string {
	return slices.Concat(differences(s.files, after.files), differences(s.mounts, after.mounts))
}

func differences(before, after map[string]string) []string {
	names := maps.Clone(before)
	maps.Copy(names, after)
	var found []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, was := before[name]
		now, is := after[name]
		switch {
		case !was:
			found = append(found, name+" is new: "+now)
		case !is:
			found = append(found, name+" is gone: "+old)
		case old != now:
			found = append(found, fmt.Sprintf("%s: %s, was %s", name, now, old))
		}
	}
	return found
}
