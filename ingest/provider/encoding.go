package provider

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"github.com/posthorn/posthorn/schemas"
)

// maxUnpacked bounds what a compressed body may become, in bytes: three times the
// largest body that a gateway takes as it is.
const maxUnpacked = 32 << 20

// Unpack returns a webhook as it would be with its body not compressed, which is w
// itself where it is not. No provider is known to compress; a proxy before the
// gateway may. The error is an *[Error] on the body as a whole.
func Unpack(w *schemas.Webhook) (*schemas.Webhook, error) {
	if bytes.HasPrefix(w.Body, []byte{0x1f, 0x8b}) {
		return gunzip(w)
	}
	switch encoding := strings.ToLower(strings.TrimSpace(w.Headers["content-encoding"])); encoding {
	case "", "identity", "gzip", "x-gzip":
		return w, nil
	default:
		if utf8.Valid(w.Body) {
			return w, nil // A proxy has unpacked it, and left the header.
		}
		return nil, &Error{Reason: ReasonBadEncoding, Field: "content-encoding", Detail: fmt.Sprintf("the body is compressed by %.40q; gzip alone is read", encoding)}
	}
}

func gunzip(w *schemas.Webhook) (*schemas.Webhook, error) {
	refuse := func(format string, args ...any) (*schemas.Webhook, error) {
		return nil, &Error{Reason: ReasonBadEncoding, Field: "content-encoding", Detail: fmt.Sprintf(format, args...)}
	}
	r, err := gzip.NewReader(bytes.NewReader(w.Body))
	if err != nil {
		return refuse("the body begins like gzip and is none: %v", err)
	}
	body, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	switch {
	case len(body) > maxUnpacked:
		return refuse("the body unpacks to more than %d bytes", maxUnpacked)
	case err != nil:
		return refuse("the body is gzip that can't be read to its end: %v", err)
	}
	unpacked := *w
	unpacked.Body = body
	return &unpacked, nil
}
