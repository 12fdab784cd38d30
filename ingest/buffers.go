package ingest

import "sync"

// maxPooled is the largest buffer that is kept: a rare large body must not hold
// memory for good.
const maxPooled = 256 << 10

// buffers reuses byte slices between requests.
type buffers struct{ pool sync.Pool }

func (b *buffers) get(size int) *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		if cap(*p) < size {
			*p = make([]byte, 0, size)
		}
		*p = (*p)[:0]
		return p
	}
	s := make([]byte, 0, max(size, 4<<10))
	return &s
}

// put takes a buffer back that nobody else refers to.
func (b *buffers) put(p *[]byte) {
	if cap(*p) <= maxPooled {
		b.pool.Put(p)
	}
}
