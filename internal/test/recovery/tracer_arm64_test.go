package recovery

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// oldCalls are those that newer architectures, as this one, have left out.
func oldCalls() map[string][]uint64 { return nil }

// skipCall makes the kernel pass over the system call that a task is about to do. Its number is a register set of its own.
func skipCall(task int) {
	const setRegset, systemCall = 0x4205, 0x404
	none := int32(-1)
	vector := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none)), Len: 4}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PTRACE, setRegset, uintptr(task), systemCall, uintptr(unsafe.Pointer(&vector)), 0, 0)
}

// setResult is what the task takes for the outcome of the call that it leaves.
func setResult(task int, fault syscall.Errno) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(task, &regs) == nil {
		regs.Regs[0] = -uint64(fault)
		_ = syscall.PtraceSetRegs(task, &regs)
	}
}
