package clickhouse

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libchdb's length-counted C interface. Function names are those of
// the C interface without the prefix chdb_. Every pointer handed in must be
// pinned for the call; every result handed out must be destroyed.
type library struct {
	setSignalHandlersEnabled func(enabled int32)
	version                  func() string

	connect  func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	close    func(handle unsafe.Pointer)
	classify func(conn, sql unsafe.Pointer, sqlLen uintptr, database unsafe.Pointer, databaseLen uintptr, out unsafe.Pointer) int32

	query       statementFunc
	streamQuery statementFunc
	fetch       func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancelQuery func(conn, stream unsafe.Pointer)

	streamInsert  statementFunc
	insertAppend  func(stream, data unsafe.Pointer, size uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertError   func(stream unsafe.Pointer) string
	insertDestroy func(stream unsafe.Pointer)

	resultBuffer       func(result unsafe.Pointer) unsafe.Pointer
	resultLength       func(result unsafe.Pointer) uintptr
	resultError        func(result unsafe.Pointer) string
	resultElapsed      func(result unsafe.Pointer) float64
	resultReadRows     func(result unsafe.Pointer) uint64
	resultReadBytes    func(result unsafe.Pointer) uint64
	resultWrittenRows  func(result unsafe.Pointer) uint64
	resultWrittenBytes func(result unsafe.Pointer) uint64
	resultDestroy      func(result unsafe.Pointer)
}

// statementFunc is the shape shared by the calls that begin a statement.
type statementFunc func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
	names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer

// loadLibrary opens libchdb. Opening the same file again is cheap and gives
// the same library; it is never closed, since the engine's threads live on.
func loadLibrary(path string) (*library, error) {
	handle, err := openLibrary(path)
	if err != nil {
		return nil, err
	}
	lib := &library{}
	var missing []error
	for name, function := range map[string]any{
		"chdb_set_signal_handlers_enabled": &lib.setSignalHandlersEnabled,
		"chdb_version":                     &lib.version,
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.close,
		"chdb_classify_query_n":            &lib.classify,
		"chdb_query_with_params_n":         &lib.query,
		"chdb_stream_query_with_params_n":  &lib.streamQuery,
		"chdb_stream_fetch_result":         &lib.fetch,
		"chdb_stream_cancel_query":         &lib.cancelQuery,
		"chdb_stream_insert_with_params_n": &lib.streamInsert,
		"chdb_stream_append":               &lib.insertAppend,
		"chdb_stream_done":                 &lib.insertDone,
		"chdb_stream_cancel_insert":        &lib.insertCancel,
		"chdb_stream_insert_error":         &lib.insertError,
		"chdb_destroy_insert_stream":       &lib.insertDestroy,
		"chdb_result_buffer":               &lib.resultBuffer,
		"chdb_result_length":               &lib.resultLength,
		"chdb_result_error":                &lib.resultError,
		"chdb_result_elapsed":              &lib.resultElapsed,
		"chdb_result_storage_rows_read":    &lib.resultReadRows,
		"chdb_result_storage_bytes_read":   &lib.resultReadBytes,
		"chdb_result_rows_written":         &lib.resultWrittenRows,
		"chdb_result_bytes_written":        &lib.resultWrittenBytes,
		"chdb_destroy_query_result":        &lib.resultDestroy,
	} {
		symbol, err := findSymbol(handle, name)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		purego.RegisterFunc(function, symbol)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("opening %s: not a libchdb of version %s: %w", path, libraryVersion, errors.Join(missing...))
	}
	// The engine's own handlers would take SIGSEGV and SIGTERM from the Go
	// runtime: a nil dereference would then hang the process.
	lib.setSignalHandlersEnabled(0)
	return lib, nil
}
