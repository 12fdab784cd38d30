package stream_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
)

// A stage is told of every partition that goes to another worker, and of all at
// the end; those that stay are not among them.
func TestLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var mu sync.Mutex
	lost := map[int32]int{}
	stage := splitStage()
	stage.Lost = func(partitions []int32) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range partitions {
			lost[p]++
		}
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(lost)
	}
	first, stop := c.start(stage, "split-1", "")
	await(t, "all partitions", func() bool { return len(first.Status().Tasks) == partitions })
	if n := count(); n != 0 {
		t.Fatalf("%d lost by a worker that is alone", n)
	}
	second, _ := c.start(splitStage(), "split-2", "")
	await(t, "the second worker's share", func() bool {
		return len(second.Status().Tasks) == partitions/2 && len(first.Status().Tasks) == partitions/2
	})
	mu.Lock()
	got := slices.Sorted(maps.Keys(lost))
	mu.Unlock()
	var theirs []int32
	for _, task := range second.Status().Tasks {
		theirs = append(theirs, task.Partition)
	}
	if slices.Sort(theirs); !slices.Equal(got, theirs) {
		t.Errorf("lost %v, the other has %v", got, theirs)
	}
	stop()
	if n := count(); n != partitions {
		t.Errorf("%d of %d lost at the end", n, partitions)
	}
}
