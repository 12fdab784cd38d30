package campaign

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// kept is a watch in memory.
type kept struct {
	watch
	key   []byte // of the head
	rule  *trigger.Rule
	dirty bool
	// saved is the boundary as of which the decided steps are stored.
	saved  schemas.Timestamp
	stored bool // there is a head in the store
	rest   bool // there are decided steps in the store
}

// What follows the rule's name in a key.
const (
	keyHead = 0
	keyRest = 1
	keyEnd  = 2
)

// appendWatchKey appends the key of a watch: the rule, whose name holds no byte
// below '-', the kind of key, the tenant with its length, the campaign.
func appendWatchKey(b []byte, rule, tenant, campaign string) []byte {
	b = append(append(b, rule...), keyHead)
	b = binary.AppendUvarint(b, uint64(len(tenant)))
	return append(append(b, tenant...), campaign...)
}

// splitWatchKey is the reverse.
func splitWatchKey(key []byte) (rule, tenant, campaign string, err error) {
	i := bytes.IndexByte(key, keyHead)
	if i > 0 {
		n, size := binary.Uvarint(key[i+1:])
		if at := i + 1 + size; size > 0 && n <= uint64(len(key)-at) {
			end := at + int(n)
			return string(key[:i]), string(key[at:end]), string(key[end:]), nil
		}
	}
	return "", "", "", fmt.Errorf("malformed key %q of a rule's counts", key)
}

// restKey is the key of a watch's decided steps.
func restKey(rule string, key []byte) []byte {
	key = bytes.Clone(key)
	key[len(rule)] = keyRest
	return key
}

func (w *kept) load(store stream.Store, rule string) error {
	head, err := store.Get(w.key)
	if err != nil {
		return fmt.Errorf("reading what a rule has counted: %w", err)
	}
	if head == nil {
		return nil
	}
	rest, err := store.Get(restKey(rule, w.key))
	if err != nil {
		return fmt.Errorf("reading what a rule has counted: %w", err)
	}
	if err := w.decode(head, rest); err != nil {
		return fmt.Errorf("key %q: %w", w.key, err)
	}
	w.stored, w.rest, w.saved = true, rest != nil, w.decided
	return nil
}

func (w *kept) write(store stream.Store) {
	switch {
	case !w.empty():
		store.Put(bytes.Clone(w.key), w.appendHead(nil))
	case w.stored:
		store.Delete(bytes.Clone(w.key))
	}
	w.stored = !w.empty()
	if w.saved == w.decided {
		return
	}
	switch n := w.split(); {
	case n > 0:
		store.Put(restKey(w.rule.Name, w.key), w.appendSteps(nil, w.steps[:n]))
		w.rest = true
	case w.rest:
		store.Delete(restKey(w.rule.Name, w.key))
		w.rest = false
	}
	w.saved = w.decided
}
