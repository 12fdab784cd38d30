package clickhouse

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// response writes a result. The first chunk is held back until a second one or
// the end: a short result then gets its length and statistics in the header,
// and an early failure a proper status.
type response struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	tag     string
	held    []byte
	started bool
}

func newResponse(w http.ResponseWriter, req *request, format string) *response {
	tag := newID()[:16] // marks an exception inside the body as genuine
	h := w.Header()
	h.Set("Content-Type", contentType(format))
	h.Set("X-ClickHouse-Format", format)
	h.Set("X-ClickHouse-Query-Id", firstOf(req.queryID, req.id))
	h.Set("X-ClickHouse-Exception-Tag", tag)
	h.Set("X-ClickHouse-Timezone", "UTC")
	h.Set("X-ClickHouse-Server-Display-Name", displayName)
	return &response{writer: w, control: http.NewResponseController(w), tag: tag}
}

func (r *response) write(data []byte) error {
	if !r.started && r.held == nil {
		r.held = append([]byte{}, data...)
		return nil
	}
	if !r.started {
		r.started = true
		if err := r.send(r.held); err != nil {
			return err
		}
		r.held = nil
	}
	return r.send(data)
}

func (r *response) send(data []byte) error {
	// A reader that stands still must not keep a session for ever.
	if err := r.control.SetWriteDeadline(time.Now().Add(idleTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("sending a result: %w", err)
	}
	if _, err := r.writer.Write(data); err != nil {
		return fmt.Errorf("sending a result: %w", err)
	}
	return nil
}

// finish ends a successful result. A client that is gone by now can't be told.
func (r *response) finish(stats statistics) {
	if r.started {
		return
	}
	h := r.writer.Header()
	h.Set("X-ClickHouse-Summary", summary(stats, len(r.held)))
	h.Set("Content-Length", strconv.Itoa(len(r.held)))
	_ = r.send(r.held)
}

// fail reports an exception: by the status where nothing was sent yet, else
// in the frame that drivers look for in the body.
func (r *response) fail(e *exception) {
	if !r.started {
		writeException(r.writer, e)
		return
	}
	text := e.text + "\n"
	frame := fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", r.tag, text, len(text), r.tag)
	_ = r.send([]byte(frame)) // a client that is gone can't be told
}

func writeException(w http.ResponseWriter, e *exception) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	h.Del("X-ClickHouse-Format")
	if e.code == codeTooManyQueries {
		h.Set("Retry-After", "1")
	}
	if e.code == codeAuthentication {
		h.Set("WWW-Authenticate", `Basic realm="ClickHouse server HTTP API"`)
	}
	w.WriteHeader(e.status())
	_, _ = io.WriteString(w, e.text+"\n") // a client that is gone can't be told
}

func summary(stats statistics, resultBytes int) string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","result_bytes":"%d","elapsed_ns":"%d"}`,
		stats.readRows, stats.readBytes, stats.writtenRows, stats.writtenBytes, resultBytes, int64(stats.elapsed*1e9))
}

func contentType(format string) string {
	switch format {
	case "JSON", "JSONCompact", "JSONStrings", "JSONCompactStrings", "JSONColumns":
		return "application/json; charset=UTF-8"
	case "JSONEachRow", "JSONCompactEachRow", "NDJSON", "JSONLines":
		return "application/x-ndjson; charset=UTF-8"
	case "CSV", "CSVWithNames", "CSVWithNamesAndTypes":
		return "text/csv; charset=UTF-8"
	case "TabSeparated", "TSV", "TabSeparatedWithNames", "TSVWithNames", "TabSeparatedRaw", "TSVRaw":
		return "text/tab-separated-values; charset=UTF-8"
	case "Native", "RowBinary", "Parquet", "Arrow", "ArrowStream", "ORC", "Avro", "MsgPack":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}
