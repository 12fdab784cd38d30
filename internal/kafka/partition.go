package kafka

// PartitionFor returns the partition of a key as Kafka's default partitioner
// chooses it: murmur2 over the key, the sign bit cleared, modulo partitions.
// An empty key is hashed like any other.
func PartitionFor(key []byte, partitions int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is the 32-bit MurmurHash2 with the seed that Kafka uses.
func murmur2(key []byte) uint32 {
	const seed, mult = 0x9747b28c, 0x5bd1e995
	hash := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		word := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		word *= mult
		word ^= word >> 24
		hash = hash*mult ^ word*mult
	}
	if len(key) > 0 {
		for i, b := range key {
			hash ^= uint32(b) << (8 * i)
		}
		hash *= mult
	}
	hash ^= hash >> 13
	hash *= mult
	return hash ^ hash>>15
}
