/* SPDX-License-Identifier: MIT */
/*
 * cxx-cache: an LRU cache as a C++ class. The shrinker is a member with a deleter;
 * the class turns the C callbacks into methods and lets no exception out of them.
 */
#include <atomic>
#include <cstdio>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include <shrink/shrink.h>

/* shrinker_free() waits for running callbacks, so it must come before the data
 * they use goes: members are destroyed in reverse, and this one is the last. */
struct shrinker_deleter {
	void operator()(shrinker *s) const noexcept { shrinker_free(s); }
};
using shrinker_ptr = std::unique_ptr<shrinker, shrinker_deleter>;

class lru_cache {
public:
	explicit lru_cache(const char *id) : shrinker_(shrinker_alloc(SHRINKER_DIRECT, "%s", id))
	{
		if (!shrinker_)
			throw std::bad_alloc();
		shrinker_->count_objects = count;
		shrinker_->scan_objects = scan;
		shrinker_->private_data = this;
		if (shrinker_register(shrinker_.get()) < 0)
			throw std::runtime_error("shrinker_register");
	}
	lru_cache(const lru_cache &) = delete;
	lru_cache &operator=(const lru_cache &) = delete;

	void put(const std::string &key, std::string value)
	{
		if (!shrink_may_grow())
			return; /* memory is pressed: a cache may forget */
		std::lock_guard<std::mutex> guard(lock_);
		auto found = index_.find(key);
		if (found != index_.end()) {
			order_.erase(found->second);
			index_.erase(found);
			size_--;
		}
		order_.emplace_front(key, std::move(value));
		index_[key] = order_.begin();
		size_++;
	}

	bool get(const std::string &key, std::string &value)
	{
		std::lock_guard<std::mutex> guard(lock_);
		auto found = index_.find(key);
		if (found == index_.end())
			return false;
		order_.splice(order_.begin(), order_, found->second);
		value = found->second->second;
		return true;
	}

	unsigned long size() const noexcept { return size_.load(std::memory_order_relaxed); }

private:
	using entry = std::pair<std::string, std::string>;

	static lru_cache *self(shrinker *s) { return static_cast<lru_cache *>(s->private_data); }

	static unsigned long count(shrinker *s, shrink_control *) noexcept
	{ return self(s)->size(); }

	/* trylock, so that it may run in any thread that needs memory */
	static unsigned long scan(shrinker *s, shrink_control *sc) noexcept
	{
		lru_cache *c = self(s);
		std::unique_lock<std::mutex> guard(c->lock_, std::try_to_lock);
		unsigned long freed = 0;

		if (!guard)
			return SHRINK_STOP;
		for (; freed < sc->nr_to_scan && !c->order_.empty(); freed++) {
			entry &e = c->order_.back();
			sc->bytes_freed += e.first.capacity() + e.second.capacity();
			c->index_.erase(e.first);
			c->order_.pop_back();
			c->size_--;
		}
		return freed;
	}

	std::mutex lock_;
	std::atomic<unsigned long> size_{0}; /* so that count needs no lock */
	std::list<entry> order_; /* newest first */
	std::unordered_map<std::string, std::list<entry>::iterator> index_;
	shrinker_ptr shrinker_;
};

int main()
{
	lru_cache cache("cxx");
	std::string value;

	if (shrink_start(0) < 0)
		return 1;
	for (int i = 0; i < 2000; i++)
		cache.put("key" + std::to_string(i), std::string(8192, 'x'));
	const bool recent = cache.get("key0", value); /* the oldest becomes the newest */
	const uint64_t freed = shrink_all_memory(4 << 20);
	std::printf("freed %llu bytes, left %lu\n", (unsigned long long)freed, cache.size());
	const bool kept = cache.get("key0", value);
	shrink_stop();
	return recent && kept && freed >= (4 << 20) ? 0 : 1;
}
