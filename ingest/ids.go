package ingest

import (
	"bufio"
	"crypto/rand"
	"sync"

	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// ids makes the ids of webhooks. It asks the system for the randomness of many at
// once.
type ids struct{ pool sync.Pool }

func (i *ids) next() schemas.ID {
	random, ok := i.pool.Get().(*bufio.Reader)
	if !ok {
		random = bufio.NewReaderSize(rand.Reader, 1<<10)
	}
	defer i.pool.Put(random)
	return schemas.ID(uuid.Must(uuid.NewV7FromReader(random))) // crypto/rand does not fail
}
