package delivery

import (
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// index holds, by endpoint and rule, when the pending calls of a partition are
// due. A rule has a queue of its own so that one that is paused costs nothing
// and holds up no other. Calls that were handed to the dispatcher are not in it.
//
// It is a hint: what it says is checked against the store when a call's turn
// comes. An entry whose call is done, or due at another time, is passed over.
type index map[string]map[string]*queue

// queue holds the calls of one rule to one endpoint that are due first. Later
// ones beyond its bound are in the store only, and are looked for there when
// their time has come: the memory does not grow with what is pending.
type queue struct {
	entries dueHeap
	beyond  int64 // microseconds: calls due at this time or later may be in the store only
	pending int   // calls in the store
	filling bool  // a scan of the store is looking for its calls
}

// maxIndexed bounds the calls that a queue keeps when it has become too long;
// until then it may hold twice as many, of 24 bytes each.
const maxIndexed = 10_000

// everything is beyond of a queue that holds all its calls.
const everything = math.MaxInt64

// dueCall is a pending call and when it is due, in microseconds.
type dueCall struct {
	due int64
	id  schemas.ID
}

// of returns the queue of a rule's calls to an endpoint.
func (x index) of(endpoint, rule string) *queue {
	rules := x[endpoint]
	if rules == nil {
		rules = map[string]*queue{}
		x[endpoint] = rules
	}
	q := rules[rule]
	if q == nil {
		q = &queue{beyond: everything}
		rules[rule] = q
	}
	return q
}

func (q *queue) add(c dueCall) {
	if c.due >= q.beyond {
		return
	}
	heap.Push(&q.entries, c)
	if len(q.entries) <= 2*maxIndexed {
		return
	}
	// In order it is a heap too.
	slices.SortFunc(q.entries, func(a, b dueCall) int { return int(min(max(a.due-b.due, -1), 1)) })
	q.beyond = q.entries[maxIndexed].due
	q.entries = q.entries[:maxIndexed]
}

// due tells whether a call of the queue is due.
func (q *queue) due(now int64) bool { return len(q.entries) > 0 && q.entries[0].due <= now }

// lacks tells whether calls may be due that are in the store only.
func (q *queue) lacks(now int64) bool {
	return !q.filling && q.beyond <= now && !q.due(now)
}

// first returns the queue whose call has been due for longest, nil where none
// is due.
func first(queues []*queue, now int64) (q *queue) {
	for _, r := range queues {
		if r.due(now) && (q == nil || r.entries[0].due < q.entries[0].due) {
			q = r
		}
	}
	return q
}

// micros is a time as the index keeps it.
func micros(t time.Time) int64 { return t.UnixMicro() }

// dueHeap implements heap.Interface: the earliest first.
type dueHeap []dueCall

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueCall)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
