package clickhouse

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// idleTimeout bounds how long a client may stand still while it sends or
	// receives: it holds a session.
	idleTimeout = time.Minute
	// maxText bounds SQL in bytes, the values of an INSERT ... VALUES included.
	maxText = 16 << 20
	// maxInsert bounds the data of one insert in bytes, uncompressed. Sinks send
	// batches of 100,000 rows, some 10 MB; real imports come as many inserts.
	maxInsert = 2 << 30
	// maxDocument bounds a result that must be made in one piece, in bytes as
	// the engine counts them.
	maxDocument = 256 << 20
)

// endpoint is ClickHouse's HTTP interface over a pool of sessions.
type endpoint struct {
	pool     *pool
	base     base
	killer   *killer
	version  string
	user     string // "" lets everybody in
	password string
	analysts *analysts // nil on the endpoint that may do everything
}

// ServeHTTP answers the few paths of the interface.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status",
		r.URL.Path == "/" && r.Method == http.MethodGet && r.URL.RawQuery == "":
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, "Ok.\n")
		return
	case r.URL.Path != "/" && r.URL.Path != "/query":
		http.Error(w, "There is no handle "+r.URL.Path+". Queries go to /", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "Queries are sent with GET or POST", http.StatusMethodNotAllowed)
		return
	}
	if err := e.serve(w, r); err != nil {
		writeException(w, asException(err))
	}
}

// serve executes a query. An error it returns is for the client, who has been
// sent nothing yet.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	if e.analysts != nil && !trustedHost(r) {
		return exceptionf(codeAuthentication, "AUTHENTICATION_FAILED", "Queries for host %q are not served on a loopback address", r.Host)
	}
	if !e.admitted(r) {
		return exceptionf(codeAuthentication, "AUTHENTICATION_FAILED", "Authentication failed: password is incorrect, or there is no such user")
	}
	req, err := readRequest(r)
	if err != nil {
		return err
	}
	q := &query{endpoint: e, request: req, writer: w, control: http.NewResponseController(w)}
	if err := q.read(r.Method); err != nil {
		return err
	}
	if req.hello && q.sql == helloQuery {
		_, _ = w.Write(hello(e.version))
		return nil
	}
	session, err := e.pool.lend(r.Context())
	if err != nil {
		return err
	}
	defer e.pool.giveBack(session)
	q.session = session
	err = q.run(r.Context())
	if err != nil || q.failed {
		// A session keeps the statement that broke off in it, and with it the
		// tables, until its next statement: DROP ... SYNC would wait for ever.
		session.spoilt = true
	}
	return err
}

// admitted compares the credentials in constant time. Drivers send them in one
// of three ways.
func (e *endpoint) admitted(r *http.Request) bool {
	if e.user == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	if user == "" {
		user, password = r.URL.Query().Get("user"), r.URL.Query().Get("password")
	}
	return same(user, e.user) && same(password, e.password)
}

func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// trustedHost refuses what a web page in the user's browser could send here by
// giving a name of its own the address 127.0.0.1.
func trustedHost(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func asException(err error) *exception {
	var e *exception
	if errors.As(err, &e) {
		return e
	}
	return exceptionf(codeUnknownException, "UNKNOWN_EXCEPTION", "%v", err)
}
