package clickhouse

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/ebitengine/purego"
)

// supported tells whether an embedded engine exists for this platform.
func supported() error {
	if runtime.GOARCH != "amd64" {
		return unsupported(runtime.GOOS + "/" + runtime.GOARCH)
	}
	return nil
}

func openLibrary(path string) (uintptr, error) {
	if err := supported(); err != nil {
		return 0, err
	}
	if _, err := os.Stat(path); err != nil {
		return 0, fmt.Errorf("opening the ClickHouse library: %w", err)
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return 0, fmt.Errorf("opening the ClickHouse library (it needs a Linux with glibc 2.17 or newer; elsewhere use --clickhouse DSN): %w", err)
	}
	return handle, nil
}

func findSymbol(handle uintptr, name string) (uintptr, error) {
	return purego.Dlsym(handle, name)
}

// lockFile takes an exclusive lock that ends with the file or the process. It
// returns errLocked at once if another holder exists and wait is false.
func lockFile(file *os.File, wait bool) error {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(file.Fd()), how)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errLocked
		case err != nil:
			return fmt.Errorf("locking %s: %w", file.Name(), err)
		default:
			return nil
		}
	}
}

// machineMemory is the physical memory in bytes.
func machineMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 4 << 30
	}
	return int64(info.Totalram) * int64(info.Unit)
}
