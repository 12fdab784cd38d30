package clickhouse

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// session is one connection to the engine: it has settings and a current
// database of its own, and executes one statement at a time. Its methods must
// not be called concurrently.
type session struct {
	lib    *library
	handle unsafe.Pointer // chdb_connection *

	// What the endpoint has made of the session; see settings.go.
	applied  map[string]string
	database string
	spoilt   bool // its state can't be known any more: replace it
}

// statement is SQL with everything that belongs to its execution.
type statement struct {
	sql    string
	format string // of the result, or of the data of an insert
	params map[string]string
}

// statistics of a statement, as the engine counted them.
type statistics struct {
	readRows, readBytes       uint64
	writtenRows, writtenBytes uint64 // views' rows included
	elapsed                   float64
}

// openSession connects to the engine. args are the engine's command line
// options; --path takes effect on the first open session only.
func (lib *library) openSession(args ...string) (*session, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	args = append([]string{"clickhouse"}, args...)
	argv := make([]*byte, len(args)+1) // NULL at the end
	for i, arg := range args {
		text := append([]byte(arg), 0)
		pinner.Pin(&text[0])
		argv[i] = &text[0]
	}
	pinner.Pin(&argv[0])
	handle := lib.connect(int32(len(args)), unsafe.Pointer(&argv[0]))
	if handle == nil {
		return nil, errors.New("the ClickHouse engine refused the connection; its reason is on standard error (a process can have one data directory open)")
	}
	return &session{lib: lib, handle: handle, applied: map[string]string{}, database: defaultDatabase}, nil
}

func (s *session) close() {
	if s.handle != nil {
		s.lib.close(s.handle)
		s.handle = nil
	}
}

func (s *session) conn() unsafe.Pointer { return *(*unsafe.Pointer)(s.handle) }

// begin calls one of the functions that begin a statement, with everything
// pinned that the engine sees.
func (s *session) begin(call statementFunc, st statement) unsafe.Pointer {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	text := func(v string) (unsafe.Pointer, uintptr) {
		if v == "" {
			return unsafe.Pointer(&emptyText), 0
		}
		data := unsafe.StringData(v)
		pinner.Pin(data)
		return unsafe.Pointer(data), uintptr(len(v))
	}
	sql, sqlLen := text(st.sql)
	format, formatLen := text(st.format)
	var names, nameLens, values, valueLens unsafe.Pointer
	if n := len(st.params); n > 0 {
		pointers, lengths := make([]unsafe.Pointer, 2*n), make([]uintptr, 2*n)
		i := 0
		for name, value := range st.params {
			pointers[i], lengths[i] = text(name)
			pointers[n+i], lengths[n+i] = text(value)
			i++
		}
		pinner.Pin(&pointers[0])
		pinner.Pin(&lengths[0])
		names, nameLens = unsafe.Pointer(&pointers[0]), unsafe.Pointer(&lengths[0])
		values, valueLens = unsafe.Pointer(&pointers[n]), unsafe.Pointer(&lengths[n])
	}
	return call(s.conn(), sql, sqlLen, format, formatLen, names, nameLens, values, valueLens, uintptr(len(st.params)))
}

// emptyText stands for the empty string, whose data pointer is undefined in Go.
var emptyText byte

// query executes a statement and hands its whole result to use, which must not
// keep it. use may be nil.
func (s *session) query(st statement, use func(data []byte, stats statistics) error) error {
	result := s.begin(s.lib.query, st)
	if result == nil {
		return errors.New("the ClickHouse engine returned no result")
	}
	defer s.lib.resultDestroy(result)
	data, stats, err := s.lib.read(result)
	if err != nil || use == nil {
		return err
	}
	return use(data, stats)
}

// text executes a statement and returns its result.
func (s *session) text(sql, format string) (string, error) {
	var out string
	err := s.query(statement{sql: sql, format: format}, func(data []byte, _ statistics) error {
		out = string(data)
		return nil
	})
	return out, err
}

// read gives a result's data, valid until the result is destroyed.
func (lib *library) read(result unsafe.Pointer) ([]byte, statistics, error) {
	if text := lib.resultError(result); text != "" {
		return nil, statistics{}, newException(text)
	}
	stats := statistics{
		readRows: lib.resultReadRows(result), readBytes: lib.resultReadBytes(result),
		writtenRows: lib.resultWrittenRows(result), writtenBytes: lib.resultWrittenBytes(result),
		elapsed: lib.resultElapsed(result),
	}
	size := lib.resultLength(result)
	buffer := lib.resultBuffer(result)
	if size == 0 || buffer == nil {
		return nil, stats, nil
	}
	return unsafe.Slice((*byte)(buffer), size), stats, nil
}

// stream is the result of a query that is fetched in chunks.
type stream struct {
	session *session
	handle  unsafe.Pointer
	ended   bool
}

// stream begins a query. The stream must be closed before the session is used
// for anything else.
func (s *session) stream(st statement) (*stream, error) {
	handle := s.begin(s.lib.streamQuery, st)
	if handle == nil {
		return nil, errors.New("the ClickHouse engine returned no stream")
	}
	if text := s.lib.resultError(handle); text != "" {
		s.lib.resultDestroy(handle)
		return nil, newException(text)
	}
	return &stream{session: s, handle: handle}, nil
}

// next hands the next chunk to use, which must not keep it, and tells whether
// there was one. The statistics are those of the chunk.
func (s *stream) next(use func(data []byte, stats statistics) error) (bool, error) {
	lib := s.session.lib
	result := lib.fetch(s.session.conn(), s.handle)
	if result == nil {
		s.ended = true
		return false, errors.New("the ClickHouse engine returned no chunk")
	}
	defer lib.resultDestroy(result)
	data, stats, err := lib.read(result)
	if err != nil {
		s.ended = true
		return false, err
	}
	if len(data) == 0 {
		s.ended = true
		return false, nil
	}
	return true, use(data, stats)
}

// close ends the query, if it runs, and frees the stream.
func (s *stream) close() {
	if s.handle == nil {
		return
	}
	if !s.ended {
		s.session.lib.cancelQuery(s.session.conn(), s.handle)
	}
	s.session.lib.resultDestroy(s.handle)
	s.handle = nil
}

// insertion is an INSERT whose data is appended in chunks.
type insertion struct {
	lib    *library
	handle unsafe.Pointer
}

// insert begins an INSERT; sql must hold neither FORMAT nor data. Exactly one
// of commit and cancel must follow.
func (s *session) insert(st statement) (*insertion, error) {
	handle := s.begin(s.lib.streamInsert, st)
	if handle == nil {
		return nil, errors.New("the ClickHouse engine returned no insert stream")
	}
	if text := s.lib.insertError(handle); text != "" {
		s.lib.insertDestroy(handle)
		return nil, newException(text)
	}
	return &insertion{lib: s.lib, handle: handle}, nil
}

// append sends a chunk of the data; the engine copies it.
func (i *insertion) append(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(&data[0])
	if state := i.lib.insertAppend(i.handle, unsafe.Pointer(&data[0]), uintptr(len(data))); state != 0 {
		if text := i.lib.insertError(i.handle); text != "" {
			return newException(text)
		}
		return fmt.Errorf("the ClickHouse engine refused insert data (state %d)", state)
	}
	return nil
}

// commit ends the data and makes it visible.
func (i *insertion) commit() (statistics, error) {
	defer i.lib.insertDestroy(i.handle)
	result := i.lib.insertDone(i.handle)
	if result == nil {
		return statistics{}, errors.New("the ClickHouse engine returned no insert result")
	}
	defer i.lib.resultDestroy(result)
	_, stats, err := i.lib.read(result)
	return stats, err
}

// cancel abandons the insert. Blocks the engine has already written stay.
func (i *insertion) cancel() {
	i.lib.insertCancel(i.handle)
	i.lib.insertDestroy(i.handle)
}

// queryClass is what a statement does to state that outlives it.
type queryClass uint32

const (
	classRead queryClass = iota // SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS, CHECK
	classWrite
	classWriteGlobal // functions, users, the system database
	classControl     // USE, SET, SYSTEM, KILL, INTO OUTFILE, INSERT INTO FUNCTION
	classUnknown     // does not parse
)

// classify asks the engine's parser what sql would do, without executing it,
// and how many statements it holds.
func (s *session) classify(sql string) (queryClass, int, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	if sql == "" {
		return classUnknown, 0, nil
	}
	data := unsafe.StringData(sql)
	pinner.Pin(data)
	// The struct chdb_query_analysis_v1: its size, statements, flags, class.
	out := new([4]uint32)
	out[0] = uint32(unsafe.Sizeof(*out))
	pinner.Pin(out)
	if state := s.lib.classify(s.conn(), unsafe.Pointer(data), uintptr(len(sql)), nil, 0, unsafe.Pointer(out)); state != 0 {
		return classUnknown, 0, fmt.Errorf("the ClickHouse engine could not classify the statement (state %d)", state)
	}
	return queryClass(out[3]), int(out[1]), nil
}
