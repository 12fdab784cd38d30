package ingest

import (
	"sync"

	"github.com/posthorn/posthorn/schemas"
)

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

// hooks reuses webhooks, and the maps of their headers, between requests.
type hooks struct{ pool sync.Pool }

func (h *hooks) get() *schemas.Webhook {
	if hook, ok := h.pool.Get().(*schemas.Webhook); ok {
		return hook
	}
	return &schemas.Webhook{Headers: make(map[string]string, len(keptHeaders))}
}

// put takes a webhook back that nobody else refers to, and lets go of its request.
func (h *hooks) put(hook *schemas.Webhook) {
	clear(hook.Headers)
	*hook = schemas.Webhook{Headers: hook.Headers}
	h.pool.Put(hook)
}
