package analytics

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	// maxExports is how many lists are streamed at a time: each keeps a connection
	// to the database as long as its caller reads.
	maxExports = 4
	// exportTimeout bounds one of them.
	exportTimeout = 10 * time.Minute
	// exportBuffer is after how many rows a part is sent.
	exportBuffer = 1000
)

// suppressionsAs serves the list in pages, or whole as CSV.
func (a *API) suppressionsAs(w http.ResponseWriter, r *http.Request) {
	if form, err := formOf(r, true); err != nil || form != formCSV {
		serveJSON(a, a.suppressions)(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	a.exportSuppressions(w, r)
}

var suppressionHeader = []string{"address", "recipient_id", "scope", "reason", "active", "since", "event_id", "account", "campaign_id", "lifted_at", "updated_at"}

func (s *Suppression) record() []string {
	lifted := ""
	if s.LiftedAt != nil {
		lifted = s.LiftedAt.UTC().Format(time.RFC3339Nano)
	}
	return []string{s.Address, s.RecipientID.String(), s.Scope, s.Reason, strconv.FormatBool(s.Active), s.Since.UTC().Format(time.RFC3339Nano),
		s.EventID.String(), s.Account, s.CampaignID, lifted, s.UpdatedAt.UTC().Format(time.RFC3339Nano)}
}

// exportSuppressions streams all of the list, or at most limit. Where it fails
// after the beginning it breaks the connection off: half a list must not pass for
// a whole one.
func (a *API) exportSuppressions(w http.ResponseWriter, r *http.Request) {
	f, err := a.suppressionFilter(r)
	limit := 0
	if err == nil && r.URL.Query().Has("limit") {
		limit, err = limitOf(r, 0, 1_000_000_000)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	select {
	case a.exports <- struct{}{}:
		defer func() { <-a.exports }()
	default:
		a.fail(w, r, tooMany("lists are being streamed"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), exportTimeout)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": int(exportTimeout.Seconds()) - 1}))
	out := csv.NewWriter(w)
	began, rows := false, 0
	begin := func() {
		began = true
		w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
		w.Header().Set("Content-Disposition", `attachment; filename="suppressions.csv"`)
		w.Header().Set("Cache-Control", "no-store")
		_ = out.Write(suppressionHeader) // kept by the writer, see Error
	}
	err = a.eachSuppression(ctx, f, limit, func(s *Suppression) error {
		if !began {
			begin()
		}
		_ = out.Write(s.record())
		if rows++; rows%exportBuffer == 0 {
			out.Flush()
		}
		return out.Error()
	})
	if err != nil && !began {
		a.fail(w, r, err)
		return
	}
	if !began {
		begin()
	}
	out.Flush()
	if err := errors.Join(err, out.Error()); err != nil {
		if r.Context().Err() == nil {
			a.cfg.Logger.Error("export ended early", "path", r.URL.Path, "rows", rows, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}
