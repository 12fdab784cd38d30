package engagement

// cacheSize is the number of messages that each generation of a cache may hold
// between transactions.
const cacheSize = 512

// cache holds messages in memory: all of the open transaction and some of those
// before. Its task dies with an aborted transaction, and the cache with it.
type cache struct {
	young, old map[string]*message
}

func (c *cache) get(key []byte) *message {
	if m := c.young[string(key)]; m != nil {
		return m
	}
	m := c.old[string(key)]
	if m != nil {
		c.put(m)
	}
	return m
}

func (c *cache) put(m *message) {
	if c.young == nil {
		c.young = make(map[string]*message, cacheSize)
	}
	c.young[string(m.key)] = m
}

// trim forgets the messages that were not used lately. It is called when no
// message is dirty.
func (c *cache) trim() {
	switch n := len(c.young); {
	case n > cacheSize:
		c.young, c.old = nil, nil
	case n > cacheSize/2:
		c.young, c.old = nil, c.young
	}
}
