package provider

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// fingerprint makes an event id of fields where the provider sends none of its
// own. What goes in, its order and its form are frozen: an id that changes
// makes every event that is reported again count twice.
//
// A field goes in as the text it was sent as, before any normalisation, with a
// length in front. A number and a string of the same text are equal, and so
// are a field that is missing, null or empty: providers have sent both.
type fingerprint struct{ buf []byte }

func (f *fingerprint) reset() { f.buf = f.buf[:0] }

func (f *fingerprint) text(s string) {
	f.buf = binary.BigEndian.AppendUint32(f.buf, uint32(len(s)))
	f.buf = append(f.buf, s...)
}

func (f *fingerprint) value(v *jsonscan.Value) {
	start := len(f.buf)
	f.buf = append(f.buf, 0, 0, 0, 0)
	if v.Kind > jsonscan.Null {
		f.buf = v.AppendRaw(f.buf)
	}
	binary.BigEndian.PutUint32(f.buf[start:], uint32(len(f.buf)-start-4))
}

func (f *fingerprint) id() schemas.ID {
	sum := sha256.Sum256(f.buf)
	return schemas.ID(sum[:16])
}
