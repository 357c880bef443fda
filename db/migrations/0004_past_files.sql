-- Past files at the price of present ones, however long their streams.

-- What holds a customer's slots at one point of both times: the constraint's tree leads there by slot, and makes a
-- reader who wants all slots look at eight times as many pages.
CREATE INDEX facts_point_idx ON read.facts USING gist (uuid_hash_extended(customer_id, 0), valid, positions);
-- What comes to hold them later than an instant, soonest first, without looking at all of it.
CREATE INDEX facts_beginning_idx ON read.facts (customer_id, lower(valid));
CREATE INDEX events_planning_idx ON read.events (customer_id, position)
    WHERE effective_from > recorded_at OR effective_to > recorded_at;
