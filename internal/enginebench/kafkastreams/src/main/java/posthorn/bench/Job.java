package posthorn.bench;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** The job of this benchmark; job.go says what it is. */
public final class Job {
    static final Serde<byte[]> BYTES = Serdes.ByteArray();
    static final Serde<Long> LONG = Serdes.Long();
    static final byte[] ONE = {1};

    static final int CAMPAIGN = 8, TYPE = 16, AT = 17;
    static final int SENT = 1, OPENED = 2;
    static final long DAY = Duration.ofDays(1).toMillis();

    /** Usage: Job BROKERS INPUT NAME DIR COMMIT_MS THREADS CACHE_BYTES */
    public static void main(String[] args) throws Exception {
        String name = args[2];
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[4]);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[5]);
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, args[6]);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "snappy");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        // Batches as large as the other engines' are.
        p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.METADATA_MAX_AGE_CONFIG), 10_000);

        StreamsBuilder b = new StreamsBuilder();
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("messages"), BYTES, BYTES)
            .withCachingEnabled());
        KStream<byte[], byte[]> events = b.stream(args[1], Consumed.with(BYTES, BYTES)
            .withTimestampExtractor((rec, partition) -> at((byte[]) rec.value())));
        events.process(Messages::new, "messages").to(name + "-triggers", Produced.with(BYTES, BYTES));
        events.map((k, v) -> KeyValue.pair(ByteBuffer.wrap(v).getLong(CAMPAIGN), ONE))
            .groupByKey(Grouped.with("campaigns", LONG, BYTES))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(7)))
            .count(Materialized.<Long, Long, WindowStore<Bytes, byte[]>>as("windows")
                .withKeySerde(LONG).withValueSerde(LONG).withCachingEnabled()
                .withRetention(Duration.ofDays(8)))
            .toStream((k, v) -> ByteBuffer.allocate(16).putLong(k.key()).putLong(k.window().start() / 60_000).array())
            .to(name + "-counts", Produced.with(BYTES, LONG));

        KafkaStreams streams = new KafkaStreams(b.build(p), p);
        CountDownLatch stopped = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            stopped.countDown();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(20));
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }

    static long at(byte[] event) {
        return ByteBuffer.wrap(event).getLong(AT);
    }

    /** Keeps the messages: when sent, when first opened, whether fired. */
    static final class Messages implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> store;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.store = context.getStateStore("messages");
        }

        @Override
        public void process(Record<byte[], byte[]> rec) {
            ByteBuffer event = ByteBuffer.wrap(rec.value());
            byte[] old = store.get(rec.key());
            long sent = 0, opened = 0;
            boolean fired = false;
            if (old != null) {
                ByteBuffer m = ByteBuffer.wrap(old);
                sent = m.getLong(0);
                opened = m.getLong(8);
                fired = m.get(16) == 1;
            }
            long at = event.getLong(AT);
            if (event.get(TYPE) == OPENED) {
                opened = opened == 0 ? at : Math.min(opened, at);
            } else {
                sent = sent == 0 ? at : Math.min(sent, at);
            }
            if (!fired && sent != 0 && opened != 0 && opened <= sent + DAY) {
                fired = true;
                byte[] campaign = ByteBuffer.allocate(8).putLong(event.getLong(CAMPAIGN)).array();
                context.forward(rec.withValue(campaign));
            }
            store.put(rec.key(), ByteBuffer.allocate(17).putLong(sent).putLong(opened).put((byte) (fired ? 1 : 0)).array());
        }
    }
}
