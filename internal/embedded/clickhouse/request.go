package clickhouse

import (
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
)

// request is a query as it came over HTTP.
type request struct {
	id       string // unique, chosen here
	queryID  string // the client's, echoed
	query    string // from the URL
	database string
	format   string // of the result, unless the SQL names one
	settings map[string]string
	params   map[string]string
	hello    bool // comes from a driver that decodes with a revision
	body     io.Reader
}

// readRequest reads everything but the body.
func readRequest(r *http.Request) (*request, error) {
	values := r.URL.Query()
	if values.Get("compress") == "1" || values.Get("decompress") == "1" || values.Get("compress") == "true" || values.Get("decompress") == "true" {
		return nil, exceptionf(codeNotImplemented, "NOT_IMPLEMENTED",
			"The embedded ClickHouse compresses no blocks: connect with compress=none, or compress the request with gzip")
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "The embedded ClickHouse takes no external tables")
	}
	if values.Has("session_id") {
		return nil, exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "The embedded ClickHouse keeps no sessions between requests")
	}
	req := &request{
		id:       newID(),
		queryID:  values.Get("query_id"),
		query:    values.Get("query"),
		database: firstOf(r.Header.Get("X-ClickHouse-Database"), values.Get("database"), defaultDatabase),
		format:   firstOf(r.Header.Get("X-ClickHouse-Format"), values.Get("default_format"), "TabSeparated"),
		settings: map[string]string{},
		params:   map[string]string{},
		hello:    values.Has("client_protocol_version"),
	}
	for name, value := range values {
		last := value[len(value)-1]
		switch param, ok := strings.CutPrefix(name, "param_"); {
		case ok:
			req.params[param] = last
		case protocol[name]:
		case offered[name]:
			req.settings[name] = last
		default:
			return nil, exceptionf(codeUnknownSetting, "UNKNOWN_SETTING", "Setting %s is neither known nor offered by the embedded ClickHouse", name)
		}
	}
	req.body = http.NoBody
	if r.Body != nil {
		req.body = r.Body
	}
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(req.body)
		if err != nil {
			return nil, exceptionf(codeCannotReadAllData, "CANNOT_READ_ALL_DATA", "Cannot read the gzip body: %v", err)
		}
		req.body = unzipped
	default:
		return nil, exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "Content-Encoding %s is not offered: use gzip or none", encoding)
	}
	return req, nil
}

// text reads the body to its end as SQL that follows the query of the URL.
func (r *request) text(limit int64) (string, error) {
	data, err := io.ReadAll(&boundedReader{from: r.body, left: limit, limit: limit})
	switch {
	case err != nil:
		return "", bodyError(err)
	case len(data) == 0:
		return r.query, nil
	case r.query == "":
		return string(data), nil
	}
	return r.query + "\n" + string(data), nil
}

// boundedReader fails, other than io.LimitReader, when there is more.
type boundedReader struct {
	from        io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, exceptionf(codeQueryTooLarge, "QUERY_IS_TOO_LARGE", "The body has more than %d bytes", b.limit)
	}
	return n, err
}

// bodyError words an error of reading the body.
func bodyError(err error) error {
	var known *exception
	if errors.As(err, &known) {
		return known
	}
	return exceptionf(codeCannotReadAllData, "CANNOT_READ_ALL_DATA", "Cannot read the whole body: %v", err)
}

func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
