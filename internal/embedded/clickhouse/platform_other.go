//go:build !linux

package clickhouse

import (
	"os"
	"runtime"
)

// supported tells whether an embedded engine exists for this platform.
func supported() error { return unsupported(runtime.GOOS + "/" + runtime.GOARCH) }

func openLibrary(string) (uintptr, error) { return 0, supported() }

func findSymbol(uintptr, string) (uintptr, error) { return 0, supported() }

func lockFile(*os.File, bool) error { return supported() }

func machineMemory() int64 { return 4 << 30 }
