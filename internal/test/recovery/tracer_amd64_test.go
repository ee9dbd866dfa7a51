package recovery

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// oldCalls are those that newer architectures have left out.
func oldCalls() map[string][]uint64 {
	return map[string][]uint64{
		"rename": {unix.SYS_RENAME}, "unlink": {unix.SYS_UNLINK, unix.SYS_RMDIR}, "symlink": {unix.SYS_SYMLINK}, "link": {unix.SYS_LINK},
		"mkdir": {unix.SYS_MKDIR}, "chmod": {unix.SYS_CHMOD},
	}
}

// skipCall makes the kernel pass over the system call that a task is about to do.
func skipCall(task int) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(task, &regs) == nil {
		regs.Orig_rax = ^uint64(0)
		_ = syscall.PtraceSetRegs(task, &regs)
	}
}

// setResult is what the task takes for the outcome of the call that it leaves.
func setResult(task int, fault syscall.Errno) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(task, &regs) == nil {
		regs.Rax = -uint64(fault)
		_ = syscall.PtraceSetRegs(task, &regs)
	}
}
