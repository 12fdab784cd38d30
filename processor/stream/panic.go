package stream

import (
	"fmt"
	"runtime/debug"
)

// recovered turns a panic of a task's code into an error. One defective task
// must not end a process that runs other stages too: its transaction is
// aborted and its stage unready, as with any error that may pass.
func recovered(err *error, where func() string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic at %s: %v\n%s", where(), p, debug.Stack())
	}
}
