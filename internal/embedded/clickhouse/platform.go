package clickhouse

import (
	"errors"
	"fmt"
)

// ErrUnsupported is returned where no embedded engine exists.
var ErrUnsupported = errors.New("the embedded ClickHouse needs linux/amd64 with glibc; use --clickhouse DSN with a ClickHouse server instead")

// errLocked tells that someone else holds a lock.
var errLocked = errors.New("locked by another process")

func unsupported(platform string) error {
	return fmt.Errorf("this is %s: %w", platform, ErrUnsupported)
}
