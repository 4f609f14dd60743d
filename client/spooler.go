package client

// maxCached bounds the bodies kept in memory of batches that the folder has too. While the server keeps
// up, no file is read; in an outage memory stays small.
const maxCached = 8 << 20

// runSpooler seals, saves and queues the open batches one by one, until the client closes and no flows
// remain. It owns c.identity.
func (c *Client) runSpooler(compress compressor) {
	for {
		open, conflicting, mark := c.rotate()
		if open == nil {
			return
		}
		b := c.seal(open, compress, conflicting)
		err := c.save(b)
		c.enqueue(b, mark, err)
		c.recycle(open)
	}
}

// rotate waits until the open batch is ready and the spool has room for it, replaces it by the spare
// one, and returns it; nil at the end. mark covers the removals from the folder so far.
func (c *Client) rotate() (b *openBatch, conflicting string, mark uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.open.ready && (c.hasRoom() || c.state == closing):
			b := c.open
			c.open, c.spare = c.spare, nil
			c.open.number = b.number + 1
			c.spooling = uint64(b.flows)
			c.changed.Broadcast()
			return b, c.conflicting, c.queue.removalMark()
		case c.state == closing && c.open.flows == 0:
			return nil, "", 0
		case c.open.ready && c.o.WhenFull == DropOldest && c.dropOldest():
		default:
			c.changed.Wait()
		}
	}
}

// seal compresses a batch, and assigns the name and sequence that identify it at the server.
func (c *Client) seal(open *openBatch, compress compressor, conflicting string) *sealedBatch {
	b := &sealedBatch{number: open.number, flows: open.flows, encoding: c.o.Encoding, body: compress(open.closeArray())}
	b.agent, b.seq = c.identity.assign(conflicting, c.log)
	b.size = int64(len(b.body))
	return b
}

// save writes a batch to the folder, if there is one.
func (c *Client) save(b *sealedBatch) error {
	if c.spool == nil {
		return nil
	}
	b.mayHaveFile = true
	if err := c.spool.store(b); err != nil {
		return err
	}
	b.saved = true
	return nil
}

// enqueue queues a batch for sending. err is the error of its save. A save without one also synced the
// folder, so the removals up to mark are durable.
func (c *Client) enqueue(b *sealedBatch, mark uint64, err error) {
	if err != nil {
		c.log.Error("cannot write a batch to the folder; it is only in memory", "flows", b.flows, "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.saveErr = err
	case b.saved:
		c.queue.markSynced(mark)
		if c.cached+b.size > maxCached {
			b.body = nil
		} else {
			c.cached += b.size
		}
	}
	c.queue.push(b)
	c.lastSpooled, c.spooling = b.number, 0
	c.changed.Broadcast()
}

// recycle makes a rotated batch the spare one.
func (c *Client) recycle(open *openBatch) {
	open.reset()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = open
}

// dropOldest drops the oldest batch that is not in flight, and reports whether it found one. The caller
// holds c.mu, which dropOldest releases meanwhile.
func (c *Client) dropOldest() bool {
	b := c.queue.oldestIdle()
	if b == nil {
		return false
	}
	b.inFlight = true
	first := !c.dropping
	c.dropping = true
	c.mu.Unlock()
	if first {
		c.log.Warn("the spool is full; dropping the oldest batches", "bytes", c.o.SpoolBytes)
	}
	c.removeFile(b)
	c.mu.Lock()
	c.dequeue(b)
	c.stats.Dropped.add(b)
	return true
}

// removeFile removes the file of a batch.
func (c *Client) removeFile(b *sealedBatch) {
	if !b.mayHaveFile {
		return
	}
	if err := c.spool.remove(b); err != nil {
		c.log.Error("cannot remove the file of a completed batch; after a restart it is sent again, "+
			"and the server may no longer recognise it", "error", err)
	}
}

// dequeue removes a batch from the queue after its file was removed. The caller holds c.mu.
func (c *Client) dequeue(b *sealedBatch) {
	c.queue.remove(b)
	if b.saved && b.body != nil {
		c.cached -= b.size
	}
	if b.mayHaveFile && !c.o.NoSync {
		c.queue.unsyncedRemovals = append(c.queue.unsyncedRemovals, batchID{b.agent, b.seq})
	}
	c.changed.Broadcast()
}

// unsentError describes the batches that Close leaves behind.
func (c *Client) unsentError(err error) error {
	e := &UnsentError{Lost: c.queue.unsaved(), Dir: c.o.Dir, Err: err}
	for _, b := range c.queue.batches {
		e.Pending.add(b)
	}
	return e
}
