package client

// maxCached bounds the bodies kept in memory of batches that are in the folder as well. While the
// server takes what comes, no file is read; in an outage memory stays small.
const maxCached = 8 << 20

// keep is the keeper: it makes batches of what was added, one after the other, until the client
// closes and there is nothing left.
func (c *Client) keep(compress compressor) {
	for {
		from, strange, removed := c.takeOpen()
		if from == nil {
			return
		}
		p := c.pack(from, compress, strange)
		err := c.save(p)
		c.enqueue(p, removed, err)
		c.giveBack(from)
	}
}

// takeOpen waits until the open batch is due and there is room for it, and opens another one. It
// returns nil at the end. Removed is the mark of what was removed from the folder by then.
func (c *Client) takeOpen() (p *portion, strange string, removed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.open.due && (c.room() || c.state == closing):
			p := c.open
			c.open, c.spare = c.spare, nil
			c.open.number = p.number + 1
			c.keeping = uint64(p.flows)
			c.changed.Broadcast()
			return p, c.strange, c.queue.removed()
		case c.state == closing && c.open.flows == 0:
			return nil, "", 0
		case c.open.due && c.o.WhenFull == DropOldest && c.drop():
		default:
			c.changed.Wait()
		}
	}
}

// pack makes a batch of a portion, with the name by which the server will know it.
func (c *Client) pack(from *portion, compress compressor, strange string) *parcel {
	p := &parcel{number: from.number, flows: from.flows, encoding: c.o.Encoding, body: compress(from.whole())}
	p.agent, p.seq = c.names.take(strange, c.log)
	p.size = int64(len(p.body))
	return p
}

// save writes a batch to the folder, if there is one.
func (c *Client) save(p *parcel) error {
	if c.spool == nil {
		return nil
	}
	p.filed = true
	if err := c.spool.store(p); err != nil {
		return err
	}
	p.saved = true
	return nil
}

// enqueue lets a batch be sent. Err is why it is not in the folder; without one, what was removed
// before is gone for good, too.
func (c *Client) enqueue(p *parcel, removed uint64, err error) {
	if err != nil {
		c.log.Error("the folder takes no batch, which is in memory alone now", "flows", p.flows, "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.saving = err
	case p.saved:
		c.queue.made(removed)
		if c.cached+p.size > maxCached {
			p.body = nil
		} else {
			c.cached += p.size
		}
	}
	c.queue.push(p)
	c.kept, c.keeping = p.number, 0
	c.changed.Broadcast()
}

// giveBack returns the memory of a portion.
func (c *Client) giveBack(from *portion) {
	from.reset()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = from
}

// drop drops the oldest batch that is not under way, and reports whether there was one. It lets go
// of the mutex meanwhile.
func (c *Client) drop() bool {
	p := c.queue.oldest()
	if p == nil {
		return false
	}
	p.busy = true
	first := !c.dropping
	c.dropping = true
	c.mu.Unlock()
	if first {
		c.log.Warn("the spool is full, and the oldest batches are dropped", "bytes", c.o.SpoolBytes)
	}
	c.unfile(p)
	c.mu.Lock()
	c.forget(p)
	c.stats.Dropped.add(p)
	return true
}

// unfile removes the file of a batch.
func (c *Client) unfile(p *parcel) {
	if !p.filed {
		return
	}
	if err := c.spool.remove(p); err != nil {
		c.log.Error("the file of a batch that is done with cannot be removed; after a restart it is sent again, "+
			"which the server may not recognise by then", "error", err)
	}
}

// forget takes a batch out of the queue, whose file is gone.
func (c *Client) forget(p *parcel) {
	c.queue.remove(p)
	if p.saved && p.body != nil {
		c.cached -= p.size
	}
	if p.filed && !c.o.NoSync {
		c.queue.gone = append(c.queue.gone, batchName{p.agent, p.seq})
	}
	c.changed.Broadcast()
}

// unsent says what Close leaves behind.
func (c *Client) unsent(err error) error {
	e := &UnsentError{Lost: c.queue.unsaved(), Dir: c.o.Dir, Err: err}
	for _, p := range c.queue.parcels {
		e.Pending.add(p)
	}
	return e
}
