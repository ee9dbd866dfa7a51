package recovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// orderVariable names, in the environment of the test binary, the file with an order. It makes the binary a tracer: it runs the program
// that its arguments name, counts some system calls of it, and breaks one. strace(1) can do that too, but counts for every thread by itself,
// and so cannot name the n-th call of a program that has many.
const orderVariable = "KIS_CRASH_ORDER"

// order is what a tracer is to do.
type order struct {
	Calls []string // names of the calls to count
	From  string   // count from the first call that is about this text; "" for all
	At    int      // the one to break, from 1; 0 for none
	Fault string   // KILL, which kills the process before the call is done; HUP, which comes during it; or the name of the error that it is to end with
	Log   string   // path of a file that gets one line per counted call
	Forks bool     // count for processes forked off as well, until they run a program of their own
}

// numbers are the system calls of each name; which of them exist depends on the architecture, see oldCalls.
func numbers(names []string) map[uint64]string {
	all := map[string][]uint64{
		"write": {unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_PWRITE64}, "connect": {unix.SYS_CONNECT}, "close": {unix.SYS_CLOSE},
		"rename": {unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2}, "unlink": {unix.SYS_UNLINKAT}, "symlink": {unix.SYS_SYMLINKAT}, "link": {unix.SYS_LINKAT},
		"mkdir": {unix.SYS_MKDIRAT}, "fsync": {unix.SYS_FSYNC, unix.SYS_FDATASYNC}, "syncfs": {unix.SYS_SYNCFS, unix.SYS_SYNC},
		"sigaction": {unix.SYS_RT_SIGACTION}, "chmod": {unix.SYS_FCHMOD, unix.SYS_FCHMODAT}, "truncate": {unix.SYS_TRUNCATE, unix.SYS_FTRUNCATE},
	}
	found := map[uint64]string{}
	for _, name := range names {
		for _, number := range append(all[name], oldCalls()[name]...) {
			found[number] = name
		}
	}
	return found
}

// fault is the error of an order; 0 for a signal.
func (o order) fault() syscall.Errno {
	return map[string]syscall.Errno{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EROFS": syscall.EROFS}[o.Fault]
}

// tracer is at work on one program. ptrace(2) ties it to one thread.
type tracer struct {
	order   order
	numbers map[uint64]string
	log     *os.File
	count   int
	begun   bool
	root    int
	known   map[int]bool // tasks that have been seen
	failing map[int]bool // tasks in the call that is made to fail
}

// traced is the tracer's main. It ends as the program did.
func traced(path string) int {
	runtime.LockOSThread()
	text, err := os.ReadFile(path)
	var o order
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tracer:", err)
		return 125
	}
	_ = os.Unsetenv(orderVariable)
	status, err := trace(o, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "tracer:", err)
		return 125
	}
	if status.Signaled() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return status.ExitStatus()
}

func trace(o order, argv []string) (syscall.WaitStatus, error) {
	log, err := os.Create(o.Log)
	if err != nil {
		return 0, err
	}
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Ptrace: true}})
	if err != nil {
		return 0, err
	}
	// A reader of the program's output must see its end as soon as the program has ended.
	for _, file := range []*os.File{os.Stdin, os.Stdout} {
		_ = file.Close()
	}
	t := &tracer{order: o, numbers: numbers(o.Calls), log: log, root: p.Pid, known: map[int]bool{p.Pid: true}, failing: map[int]bool{}}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(t.root, &status, unix.WALL, nil); err != nil {
		return 0, err
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC
	if o.Forks {
		options |= unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	}
	if err := syscall.PtraceSetOptions(t.root, options); err != nil {
		return 0, fmt.Errorf("ptrace: %w", err)
	}
	if err := syscall.PtraceSyscall(t.root, 0); err != nil {
		return 0, err
	}
	return t.loop()
}

// loop lets tasks go on from stop to stop until the program has ended.
func (t *tracer) loop() (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		task, err := syscall.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case status.Stopped():
			t.stopped(task, status)
		case task == t.root:
			return status, nil
		default:
			delete(t.known, task) // its number may come again
		}
	}
}

func (t *tracer) stopped(task int, status syscall.WaitStatus) {
	deliver := 0
	switch signal := status.StopSignal(); {
	case signal == syscall.SIGTRAP|0x80:
		if t.call(task) {
			return // killed
		}
	case signal == syscall.SIGTRAP && status.TrapCause() == unix.PTRACE_EVENT_EXEC && task != t.root:
		_ = syscall.PtraceDetach(task) // a program of its own is not what is asked about
		return
	case signal == syscall.SIGTRAP && status.TrapCause() > 0:
	case signal == syscall.SIGSTOP && !t.known[task]: // every new task begins so
		t.known[task] = true
	default:
		deliver = int(signal)
	}
	_ = syscall.PtraceSyscall(task, deliver) // fails for a task that was killed meanwhile, whose end is going to be told
}

// callInfo is struct ptrace_syscall_info of ptrace(2).
type callInfo struct {
	op     uint8
	_      [3]uint8
	_      uint32
	_, _   uint64
	number uint64
	args   [6]uint64
	_      uint64
}

// call looks at a task that enters or leaves a system call. It reports whether it has killed it.
func (t *tracer) call(task int) bool {
	const getInfo, entry, exit = 0x420e, 1, 2
	var info callInfo
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, getInfo, uintptr(task), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return false
	}
	if info.op == exit && t.failing[task] {
		delete(t.failing, task)
		setResult(task, t.order.fault())
	}
	name, counted := t.numbers[info.number]
	if info.op != entry || !counted {
		return false
	}
	about := describe(task, name, info.args)
	t.begun = t.begun || strings.Contains(about, t.order.From)
	if !t.begun {
		return false
	}
	t.count++
	broken := ""
	if t.count == t.order.At {
		broken = " BROKEN"
	}
	_, _ = fmt.Fprintf(t.log, "%d %d %s%s %q\n", t.count, task, name, broken, about)
	if broken == "" {
		return false
	}
	switch t.order.Fault {
	case "KILL":
		_ = syscall.Kill(task, syscall.SIGKILL) // of the whole process; the call is not done any more
		return true
	case "HUP":
		_ = syscall.Kill(t.root, syscall.SIGHUP)
		return false
	}
	t.failing[task] = true
	skipCall(task)
	return false
}

// describe tells what a call is about: the file of a descriptor and what is written to it, or a path.
func describe(task int, name string, args [6]uint64) string {
	switch name {
	case "write", "fsync", "close", "truncate", "chmod":
		file, _ := os.Readlink("/proc/" + strconv.Itoa(task) + "/fd/" + strconv.FormatUint(args[0], 10))
		if name == "write" {
			return file + " " + peek(task, args[1], int(min(args[2], 160)))
		}
		return file
	case "connect", "sigaction":
		return ""
	}
	var paths []string
	for _, arg := range args[:4] { // those that are no paths are no addresses either
		text, whole := "", false
		if arg > 1<<16 {
			text, _, whole = strings.Cut(peek(task, arg, 256), "\x00")
		}
		if whole && strings.Contains(text, "/") {
			paths = append(paths, text)
		}
	}
	return strings.Join(paths, " ")
}

// peek reads a task's memory, as far as it is there.
func peek(task int, at uint64, size int) string {
	memory, err := os.Open("/proc/" + strconv.Itoa(task) + "/mem")
	if err != nil {
		return ""
	}
	defer memory.Close() //nolint:errcheck // only read
	data := make([]byte, size)
	n, _ := memory.ReadAt(data, int64(at))
	return string(data[:n])
}
