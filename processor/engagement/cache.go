package engagement

// cacheSize is the number of messages that each generation of a cache may hold
// between transactions; maxFree how many it keeps to be used again.
const (
	cacheSize = 512
	maxFree   = 4096
)

// cache holds messages in memory: all of the open transaction and some of those
// before. Its task dies with an aborted transaction, and the cache with it.
type cache struct {
	young, old map[string]*message // no message is in both
	free       []*message
	size       int // cacheSize, but in tests
}

func (c *cache) get(key []byte) *message {
	if m := c.young[string(key)]; m != nil {
		return m
	}
	m := c.old[string(key)]
	if m != nil {
		delete(c.old, string(key))
		c.put(m)
	}
	return m
}

// peek returns a message without taking it for used.
func (c *cache) peek(key []byte) *message {
	if m := c.young[string(key)]; m != nil {
		return m
	}
	return c.old[string(key)]
}

// drop forgets a message.
func (c *cache) drop(key []byte) {
	delete(c.young, string(key))
	delete(c.old, string(key))
}

func (c *cache) put(m *message) {
	if c.young == nil {
		c.young = make(map[string]*message, c.size)
	}
	c.young[string(m.key)] = m
}

// fresh returns an empty message: nearly all memory that the stage needs is for
// messages that it soon forgets.
func (c *cache) fresh() *message {
	last := len(c.free) - 1
	if last < 0 {
		return new(message)
	}
	m := c.free[last]
	c.free = c.free[:last]
	m.state.reset()
	m.earlier, m.timer, m.due = nil, 0, false
	return m
}

// trim forgets the messages that were not used lately. It is called when no
// message is dirty.
func (c *cache) trim() {
	n := len(c.young)
	if n <= c.size/2 {
		return
	}
	c.release(c.old)
	c.young, c.old = c.old, c.young
	if n > c.size {
		c.release(c.old)
	}
}

func (c *cache) release(messages map[string]*message) {
	for _, m := range messages {
		c.recycle(m)
	}
	clear(messages)
}

// recycle takes the memory of a message that is in no map.
func (c *cache) recycle(m *message) {
	if len(c.free) < maxFree && cap(m.state.events) <= 16 {
		c.free = append(c.free, m)
	}
}
