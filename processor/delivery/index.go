package delivery

import (
	"container/heap"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// index holds, for each endpoint, when its pending calls are due. Calls that
// were handed to the dispatcher are not in it. It is rebuilt from the store.
type index map[string]*dueHeap

type dueCall struct {
	due time.Time
	id  schemas.ID
}

func (x index) add(endpoint string, c dueCall) {
	h := x[endpoint]
	if h == nil {
		h = &dueHeap{}
		x[endpoint] = h
	}
	heap.Push(h, c)
}

// dueHeap implements heap.Interface: the earliest first.
type dueHeap []dueCall

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueCall)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
