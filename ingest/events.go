package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/upload"
)

// eventsPath takes uploads of native events, of any length. Unlike webhooks they
// are looked into: their senders can mend what is wrong, so they are told at once.
const eventsPath = "/v1/events"

// bearer is a token that may upload, by its digest.
type bearer struct {
	sum    [sha256.Size]byte
	source *source
}

// addBearers makes the keys of a source tokens for uploads.
func (g *Gateway) addBearers(s *source) error {
	if s.Provider.Name() != provider.NameNative {
		return nil
	}
	for _, key := range s.Credentials.Keys {
		b := bearer{sha256.Sum256([]byte(strings.TrimSpace(key))), s}
		for _, other := range g.bearers {
			if other.sum == b.sum && other.source != s {
				return fmt.Errorf("source %q: key: is that of source %q too: a token tells whose events it brings, give each its own", s.Name, other.source.Name)
			}
		}
		g.bearers = append(g.bearers, b)
	}
	return nil
}

// uploader returns the source whose token a request shows. It compares with all.
func (g *Gateway) uploader(r *http.Request) *source {
	scheme, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	var found *source
	for _, b := range g.bearers {
		if subtle.ConstantTimeCompare(b.sum[:], sum[:]) == 1 {
			found = b.source
		}
	}
	return found
}

func (g *Gateway) serveEvents(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	src := g.uploader(r)
	var u *uploaded
	switch {
	case src == nil:
		g.metrics.requests.WithLabelValues("unknown", "401").Inc()
		(&problem{status: http.StatusUnauthorized, slug: "unauthorized", title: "Not a known sender", challenge: provider.BearerChallenge, hangUp: true,
			detail: "events are posted with the key of a source of provider native: send \"Authorization: Bearer KEY\""}).write(w, r)
		return
	case src.Disabled:
		u = refused(&problem{status: http.StatusGone, slug: "disabled", title: "Source is disabled", detail: "events of this source are not wanted any more", hangUp: true})
	case r.Method != http.MethodPost:
		u = refused(&problem{status: http.StatusMethodNotAllowed, slug: "method", title: "Only POST", allow: http.MethodPost, detail: "events are posted; " + r.Method + " does nothing here"})
	default:
		u = g.admitUpload(w, r, src)
	}
	// The server's own deadline was set when the upload began.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	g.metrics.observe(src, u.write(w, r), time.Since(start))
}

const answerTimeout = 10 * time.Second

func (g *Gateway) admitUpload(w http.ResponseWriter, r *http.Request, src *source) *uploaded {
	a, p := g.admit(src)
	if p != nil {
		p.hangUp = true
		return refused(p)
	}
	defer a.release()
	return g.acceptUpload(w, r, src, a)
}

// acceptUpload reads an upload under its idempotency key, if it has one.
func (g *Gateway) acceptUpload(w http.ResponseWriter, r *http.Request, src *source, a *admission) *uploaded {
	options, p := uploadOptions(r)
	if p != nil {
		return refused(p)
	}
	key, p := idempotencyKey(r.Header)
	if p != nil {
		return refused(p)
	}
	memory := int64(3*options.Buffer + envelope)
	if p := a.take(memory); p != nil {
		return refused(p)
	}
	defer a.give(memory)
	body := newPacedBody(w, r, g.cfg.ReadTimeout)
	defer body.finish()
	if key == "" {
		return g.storeUpload(r, src, a, body, options, key)
	}
	body.sum = sha256.New()
	earlier, p := g.uploads.begin(src.Name, key)
	switch {
	case p != nil:
		return refused(p)
	case earlier != nil:
		return repeatedUpload(r, body, earlier)
	}
	var u *uploaded
	defer func() { g.uploads.end(src.Name, key, u, body) }()
	u = g.storeUpload(r, src, a, body, options, key)
	return u
}

// uploadOptions reads what the headers tell of the form.
func uploadOptions(r *http.Request) (o upload.Options, p *problem) {
	o.Buffer = uploadBuffer
	if r.ContentLength >= 0 && r.ContentLength < uploadBuffer {
		o.Buffer = int(max(r.ContentLength, 4<<10))
	}
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		o.Encoding = "gzip"
	case "zstd":
		o.Encoding = encoding
	default:
		return o, &problem{status: http.StatusUnsupportedMediaType, slug: "encoding", title: "Unknown encoding", accept: "gzip, zstd, identity", hangUp: true,
			detail: fmt.Sprintf("Content-Encoding %.40q is not known: send gzip, zstd or none", encoding)}
	}
	text := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(text)
	switch {
	case provider.IsNDJSON(text):
		o.Format = upload.NDJSON
	case media == "application/json":
		o.Format = upload.JSON
	case media == "application/avro" || media == "avro/binary" || media == "application/vnd.apache.avro" || media == "application/x-avro":
		o.Format = upload.OCF
	case text == "" || err == nil && (media == "application/octet-stream" || media == "application/x-www-form-urlencoded" || media == "text/plain" ||
		media == "application/gzip" || media == "application/zstd"):
		// Said by programs that know nothing of what they send: curl says a form.
		o.Format = upload.Auto
	default:
		return o, &problem{status: http.StatusUnsupportedMediaType, slug: "content-type", title: "Unknown content type", hangUp: true,
			detail: fmt.Sprintf("Content-Type %.60q is not known: send application/json, %s or application/avro", text, provider.TypeNDJSON)}
	}
	return o, nil
}

// uploadBuffer is how much of a long upload is read at once.
const uploadBuffer = 64 << 10

// storeUpload checks the events of an upload and stores those that are good.
func (g *Gateway) storeUpload(r *http.Request, src *source, a *admission, body *pacedBody, options upload.Options, key string) *uploaded {
	u := &uploaded{unit: "line", first: 1}
	pack := g.newPacker(r, src, a, key, u)
	body.before = pack.beforeRead
	u.ended = readUpload(body, options, pack, u)
	pack.close()
	return u
}

// readUpload hands all good events on. It returns why it could not read to the end.
func readUpload(body *pacedBody, options upload.Options, pack *packer, u *uploaded) *problem {
	in, err := upload.Open(body, options)
	if err != nil {
		return u.end(err)
	}
	defer in.Close()
	if u.unit = in.Unit; u.unit == "index" {
		u.first = 0
	}
	check := &provider.NativeCheck{Now: time.Now()}
	defer func() { u.ignored = check.Ignored() }()
	for n := int64(1); ; n++ {
		ev, err := in.Next()
		var one *upload.Fault
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &one):
			u.reject(one.Number, &provider.Error{Reason: one.Reason, Detail: one.Detail})
			continue
		case err != nil:
			return u.end(err)
		}
		if n%1024 == 0 {
			check.Now = time.Now() // an upload may take hours
		}
		if faults := check.Event(ev.JSON); len(faults) > 0 {
			u.reject(ev.Number, faults...)
			continue
		}
		if p := pack.add(ev); p != nil {
			return p
		}
	}
}
