package analytics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// maxResultRows bounds the rows of one query: the cost limit of a request beside
// its time.
const maxResultRows = 100_000

// serveJSON answers with what f returns: as JSON, and where the answer can be
// given as rows also as CSV, NDJSON, Parquet or Arrow. An answer is whole before
// its first byte is sent. A Problem is answered as it is; any other error means
// that the database could not tell.
func serveJSON[T any](a *API, f func(context.Context, *http.Request) (T, error)) http.HandlerFunc {
	var zero T
	_, rows := any(&zero).(sheeted)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		form, err := formOf(r, rows)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		ctx, cancel := a.bounded(r.Context())
		defer cancel()
		select {
		case a.queries <- struct{}{}:
			defer func() { <-a.queries }()
		case <-ctx.Done():
			a.fail(w, r, tooMany("questions are being answered"))
			return
		}
		result, err := f(ctx, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		var body bytes.Buffer
		switch sheeted, ok := any(&result).(sheeted); {
		case ok && form != formJSON:
			rows := sheeted.sheet()
			err = rows.write(&body, form)
			w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", rows.name+"."+form.ending()))
			if rows.next != "" {
				w.Header().Set("Link", nextPage(r, rows.next))
			}
		default:
			enc := json.NewEncoder(&body)
			enc.SetEscapeHTML(false)
			err = enc.Encode(result)
		}
		if err != nil {
			a.cfg.Logger.Error("encoding answer", "path", r.URL.Path, "error", err)
			w.Header().Del("Content-Disposition")
			writeProblem(w, Problem{Title: "Internal error", Status: http.StatusInternalServerError})
			return
		}
		w.Header().Set("Content-Type", form.mediaType())
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body.Bytes()) // The caller went away.
	}
}

// bounded limits what a request may cost: the server's own limit of time is a
// little shorter than ours, so that a query ends there too.
func (a *API) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_execution_time": max(1, int(a.cfg.Timeout/time.Second)-1),
		"max_result_rows":    maxResultRows,
	})), cancel
}

// nextPage is the header Link (RFC 8288) to the next page, for the forms in which
// an answer has no room for it.
func nextPage(r *http.Request, after string) string {
	query := r.URL.Query()
	query.Set("after", after)
	return fmt.Sprintf("<%s?%s>; rel=\"next\"", r.URL.EscapedPath(), query.Encode())
}
