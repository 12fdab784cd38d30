//go:build !linux

package testkafka

import "syscall"

// dieWithParent is for Linux; elsewhere a node outlives a test process that is
// killed.
func dieWithParent() *syscall.SysProcAttr { return nil }
