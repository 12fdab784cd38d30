package normalize

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// recipients makes recipient ids with one tenant's secret: those of
// schemas.RecipientID, with the key prepared once. It is not safe for
// concurrent use.
type recipients struct {
	mac hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

func newRecipients(secret []byte) *recipients {
	return &recipients{mac: hmac.New(sha256.New, secret)}
}

func (r *recipients) ofAddress(address string) schemas.ID {
	r.buf = append(r.buf[:0], strings.ToLower(strings.TrimSpace(address))...)
	return r.id()
}

// ofMessage stands for a recipient whose address is not known: every message is
// a recipient of its own. The NUL keeps these apart from addresses.
func (r *recipients) ofMessage(tenant, message string) schemas.ID {
	r.buf = append(append(append(r.buf[:0], tenant...), 0), message...)
	return r.id()
}

func (r *recipients) id() schemas.ID {
	r.mac.Reset()
	r.mac.Write(r.buf)
	return schemas.ID(r.mac.Sum(r.sum[:0])[:16])
}
