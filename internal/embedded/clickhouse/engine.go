package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultConnections         = 8
	defaultReadOnlyConnections = 4
	// queueFactor is how many requests may wait for each connection.
	queueFactor = 16
	// closeTimeout is how long Close waits for running requests before it stops them.
	closeTimeout = 15 * time.Second
	// killTimeout is how long stopped requests may take to end.
	killTimeout = 5 * time.Second
	engineUser  = "posthorn"
)

// Config says how to run the engine. Dir and Library are required.
type Config struct {
	Dir     string // data directory, made if missing; open in one process at a time
	Library string // path of libchdb.so, as Fetch returns it

	Listen    string // address of the endpoint that may do everything; "" is 127.0.0.1:0
	SQLListen string // address of the analysts' endpoint; "" has none

	Connections         int   // statements running side by side; 0 is 8
	ReadOnlyConnections int   // the same for analysts; 0 is 4
	MaxMemory           int64 // bytes for the whole engine; 0 is half of the machine's memory, at most 8 GiB

	Logger *slog.Logger // nil is slog.Default()
}

// Engine is a running ClickHouse.
type Engine struct {
	config   Config
	lock     *os.File
	killer   *killer
	writers  *pool
	readers  *pool
	version  string
	password string

	listener, sqlListener net.Listener
	servers               []*http.Server
	serving               sync.WaitGroup
	cancel                context.CancelFunc // ends all requests
	closing               sync.Once
	closeErr              error
}

// Start opens the data directory and serves it. ctx bounds the start only.
func Start(ctx context.Context, config Config) (*Engine, error) {
	config = config.withDefaults()
	if config.Dir == "" || config.Library == "" {
		return nil, errors.New("starting ClickHouse: both a data directory and a library are needed")
	}
	e := &Engine{config: config, password: newID()}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting ClickHouse in %s: %w", config.Dir, err), e.Close())
	}
	return e, nil
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Connections <= 0 {
		c.Connections = defaultConnections
	}
	if c.ReadOnlyConnections <= 0 {
		c.ReadOnlyConnections = defaultReadOnlyConnections
	}
	if c.MaxMemory <= 0 {
		c.MaxMemory = min(machineMemory()/2, 8<<30)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (e *Engine) start(ctx context.Context) error {
	dir, err := filepath.Abs(e.config.Dir)
	if err != nil {
		return err
	}
	if e.lock, err = lockDirectory(dir); err != nil {
		return err
	}
	lib, err := loadLibrary(e.config.Library)
	if err != nil {
		return err
	}
	base := base{
		"async_insert":     "0",   // the engine's default of 1 answers before it knows the outcome of a block
		"session_timezone": "UTC", // as the hello says
		"max_memory_usage": strconv.FormatInt(e.config.MaxMemory/2, 10),
	}
	args := append([]string{
		"--path=" + dir,
		"--max_server_memory_usage=" + strconv.FormatInt(e.config.MaxMemory, 10),
		"--mark_cache_size=" + strconv.FormatInt(e.config.MaxMemory/16, 10),
		"--uncompressed_cache_size=0",
	}, base.arguments()...)
	open := func() (*session, error) { return lib.openSession(args...) }

	admin, err := open()
	if err != nil {
		return err
	}
	e.killer = &killer{session: admin, log: e.config.Logger}
	if e.version, err = admin.text("SELECT version()", "TSVRaw"); err != nil {
		return fmt.Errorf("asking for the version: %w", err)
	}
	e.version = strings.TrimSpace(e.version)
	if e.writers, err = newPool(open, e.config.Connections, e.config.Connections*queueFactor, false); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	requests, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	all := &endpoint{pool: e.writers, base: base, killer: e.killer, version: e.version, user: engineUser, password: e.password}
	if e.listener, err = e.serve(requests, e.config.Listen, all); err != nil {
		return err
	}
	if e.config.SQLListen == "" {
		return nil
	}
	guard, err := newGuard(admin)
	if err != nil {
		return err
	}
	if e.readers, err = newPool(open, e.config.ReadOnlyConnections, e.config.ReadOnlyConnections*queueFactor, true); err != nil {
		return err
	}
	reading := &endpoint{pool: e.readers, base: base, killer: e.killer, version: e.version, analysts: newAnalysts(guard, e.config.MaxMemory)}
	e.sqlListener, err = e.serve(requests, e.config.SQLListen, reading)
	return err
}

func (e *Engine) serve(requests context.Context, address string, handler http.Handler) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(e.config.Logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	e.servers = append(e.servers, server)
	e.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.config.Logger.Error("serving ClickHouse ended", "address", address, "error", err)
		}
	})
	return listener, nil
}

// DSN connects clickhouse-go to the endpoint that may do everything. It holds
// a password: keep it out of logs.
func (e *Engine) DSN() string { return e.DatabaseDSN(defaultDatabase) }

// DatabaseDSN is DSN for another database.
func (e *Engine) DatabaseDSN(database string) string {
	u := url.URL{Scheme: "http", User: url.UserPassword(engineUser, e.password), Host: e.listener.Addr().String(), Path: "/" + database}
	return u.String()
}

// SQLURL is the address of the analysts' endpoint, "" without one. It takes
// ?query= and POST bodies, and clickhouse-go can read from it.
func (e *Engine) SQLURL() string {
	if e.sqlListener == nil {
		return ""
	}
	return "http://" + e.sqlListener.Addr().String()
}

// Version is the version of ClickHouse.
func (e *Engine) Version() string { return e.version }

// Close stops accepting, waits for running requests, stops those that take too
// long, and closes the data directory. It can be called more than once.
func (e *Engine) Close() error {
	e.closing.Do(func() { e.closeErr = e.close() })
	return e.closeErr
}

func (e *Engine) close() error {
	shutdown := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		errs := make([]error, len(e.servers))
		var wait sync.WaitGroup
		for i, server := range e.servers {
			wait.Go(func() { errs[i] = server.Shutdown(ctx) })
		}
		wait.Wait()
		return errors.Join(errs...)
	}
	err := shutdown(closeTimeout)
	if e.cancel != nil {
		e.cancel()
	}
	if err != nil {
		e.config.Logger.Warn("stopping ClickHouse queries that still run")
		err = shutdown(killTimeout)
		for _, server := range e.servers {
			err = errors.Join(err, server.Close())
		}
	}
	e.serving.Wait()
	lent := 0
	for _, p := range []*pool{e.writers, e.readers} {
		if p != nil {
			lent += p.drain()
		}
	}
	if lent > 0 {
		// A session in use must not be closed, nor the directory be unlocked.
		return errors.Join(err, fmt.Errorf("closing ClickHouse: %d statements do not end", lent))
	}
	if e.killer != nil {
		e.killer.session.close()
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	return err
}

// lockDirectory makes the directory and takes it for this process.
func lockDirectory(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "posthorn.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := lockFile(file, false); err != nil {
		holder, _ := os.ReadFile(file.Name()) // for the message only
		_ = file.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("the data directory is in use by process %s: stop it, or choose another directory", firstOf(strings.TrimSpace(string(holder)), "?"))
		}
		return nil, err
	}
	if err := errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the data directory: %w", err), file.Close())
	}
	return file, nil
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}
