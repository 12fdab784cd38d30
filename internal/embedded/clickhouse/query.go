package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// query is the execution of one request.
type query struct {
	endpoint *endpoint
	request  *request
	writer   http.ResponseWriter
	control  *http.ResponseController
	session  *session

	sql    string
	shape  shape
	stream bool // the body is the data of an insert
	failed bool // after the answer had begun
}

// read finds out what the request wants, and reads the SQL in the body.
func (q *query) read(method string) error {
	q.sql, q.shape = q.request.query, examine(q.request.query)
	if q.shape.insert && !q.shape.source && method == http.MethodPost {
		q.stream = true
		return nil
	}
	if err := q.deadline(time.Now().Add(idleTimeout)); err != nil {
		return err
	}
	limit := int64(maxText)
	if q.endpoint.analysts != nil {
		limit = maxAnalystText
	}
	sql, err := q.request.text(limit)
	if err != nil {
		return err
	}
	q.sql, q.shape = sql, examine(sql)
	return q.deadline(time.Time{})
}

// deadline bounds the reading of the body. It must be lifted afterwards: the
// server goes on reading to notice a client that leaves.
func (q *query) deadline(t time.Time) error {
	if err := q.control.SetReadDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bounding a request: %w", err)
	}
	return nil
}

// run executes the query on the lent session.
func (q *query) run(ctx context.Context) error {
	e := q.endpoint
	settings := q.request.settings
	if e.analysts != nil {
		limited, err := e.analysts.limit(settings)
		if err != nil {
			return err
		}
		if q.stream {
			return exceptionf(codeReadonly, "READONLY", "Only statements that read are executed here")
		}
		if err := e.analysts.guard.check(q.session, q.sql); err != nil {
			return err
		}
		settings = limited
	}
	format := firstOf(q.shape.format, q.request.format)
	if !q.shape.insert && !canStream(format) && settings["max_result_bytes"] == "" {
		settings = maps.Clone(settings)
		settings["max_result_bytes"] = strconv.Itoa(maxDocument)
	}
	if err := q.session.adopt(e.base, settings, q.request.database); err != nil {
		return err
	}
	if q.stream {
		return q.insert()
	}
	class, count, err := q.session.classify(q.sql)
	if err != nil {
		return err
	}
	if count > 1 {
		return exceptionf(codeSyntaxError, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed): %d statements", count)
	}
	// SET, USE and temporary tables would outlive the request in the session.
	if class == classControl || q.shape.temporary {
		q.session.spoilt = true
	}
	st := statement{sql: q.sql, format: format, params: q.request.params}
	response := newResponse(q.writer, q.request, format)
	if class != classRead {
		return q.whole(st, response)
	}
	// Only what reads is killed when its client leaves, as a server does it.
	st.sql = mark(q.sql[:q.shape.end], q.request.id)
	release := e.killer.guard(ctx, q.request.id)
	defer release()
	if canStream(format) {
		supported, err := q.chunks(st, response)
		if supported || err != nil {
			return err
		}
	}
	return q.whole(st, response)
}

// whole executes a statement whose result is made in one piece.
func (q *query) whole(st statement, response *response) error {
	return q.session.query(st, func(data []byte, stats statistics) error {
		if err := response.write(data); err != nil {
			return err
		}
		response.finish(stats)
		return nil
	})
}

// chunks executes a query and sends its result as it comes. It tells whether
// the engine can do that with the statement; if not, nothing has happened.
func (q *query) chunks(st statement, response *response) (bool, error) {
	stream, err := q.session.stream(st)
	if err != nil {
		if strings.Contains(err.Error(), "Streaming query is not supported") {
			return false, nil // SHOW, DESCRIBE, EXPLAIN ...
		}
		return true, err
	}
	defer stream.close()
	var total statistics
	for {
		more, err := stream.next(func(data []byte, stats statistics) error {
			total.readRows += stats.readRows
			total.readBytes += stats.readBytes
			total.elapsed += stats.elapsed
			return response.write(data)
		})
		if err != nil {
			q.failed = true
			response.fail(asException(err))
			return true, nil
		}
		if !more {
			response.finish(total)
			return true, nil
		}
	}
}

// insert sends the body to the engine. Once the body is complete the insert is
// completed too, whether or not the client still waits: its deduplication
// token makes a repetition harmless.
func (q *query) insert() error {
	st := statement{sql: q.sql[:q.shape.beforeFmt], format: firstOf(q.shape.format, "Values"), params: q.request.params}
	insertion, err := q.session.insert(st)
	if err != nil {
		return err
	}
	if err := q.copyBody(insertion); err != nil {
		insertion.cancel()
		return err
	}
	if err := q.deadline(time.Time{}); err != nil {
		insertion.cancel()
		return err
	}
	stats, err := insertion.commit()
	if err != nil {
		return err
	}
	response := newResponse(q.writer, q.request, st.format)
	response.finish(stats)
	return nil
}

// copyBody appends the body in pieces of a size the engine likes.
func (q *query) copyBody(insertion *insertion) error {
	body := &boundedReader{from: q.request.body, left: maxInsert, limit: maxInsert}
	piece := make([]byte, 1<<20)
	for {
		if err := q.deadline(time.Now().Add(idleTimeout)); err != nil {
			return err
		}
		// Only a clean EOF ends the data: a client that breaks off inside it
		// gives io.ErrUnexpectedEOF, and nothing must be committed then.
		var n int
		var err error
		for n < len(piece) && err == nil {
			var m int
			m, err = body.Read(piece[n:])
			n += m
		}
		if appendErr := insertion.append(piece[:n]); appendErr != nil {
			return appendErr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return bodyError(err)
		}
	}
}
