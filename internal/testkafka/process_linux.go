package testkafka

import "syscall"

// dieWithParent has the kernel kill a node when the test process dies, however
// that happens. A process group of its own keeps it from the terminal's ^C, so
// that tests stop before their broker does.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
