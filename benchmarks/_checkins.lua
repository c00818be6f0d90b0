-- wrk's requests: check-ins of many endpoints, each with ids of its own, or pings of a peer; reports as JSON.
--
-- wrk … -s _checkins.lua URL -- KIND FILE [COUNT]: KIND checkin (a line of FILE: "token job-id"), ping (a line: a
-- check's id) or bare; COUNT ends the run after so many answers, on one thread.

local random, format, concat = math.random, string.format, table.concat
local ffi = require("ffi")
ffi.cdef("int kill(int pid, int signal); int getpid(void);")

local lines, kind, place, left, at, said = {}, "", 0, nil, "", string.rep("x", 200)

function init(args)
   kind = args[1]
   for line in io.lines(args[2]) do
      lines[#lines + 1] = line
   end
   local seed = io.open("/dev/urandom", "rb")
   local bytes = { seed:read(4):byte(1, 4) }
   seed:close()
   math.randomseed(bytes[1] + 256 * bytes[2] + 65536 * bytes[3] + 16777216 * bytes[4])
   place = random(#lines)
   at = os.date("!%Y-%m-%dT%H:%M:%SZ")
   if args[3] then
      left = tonumber(args[3])
      response = counted
   end
end

local function uuid()
   return format("%08x-%04x-4%03x-8%03x-%06x%06x", random(0, 4294967295), random(0, 65535), random(0, 4095),
                 random(0, 4095), random(0, 16777215), random(0, 16777215))
end

local headers = { ["Content-Type"] = "application/json" }

function request()
   place = place % #lines + 1
   local line = lines[place]
   if kind == "ping" then
      return wrk.format("POST", "/ping/" .. line, nil, said)
   end
   local token, job = line:match("(%S+) (%S+)")
   headers["Authorization"] = "Bearer " .. token
   local body = concat({ '{"id":"', uuid(), '","run_id":"', uuid(), '","job_id":"', job, '","kind":"success","at":"', at,
                         '","exit_code":0,"duration_s":1.5,"output":{"head":"', said, '"}}' })
   return wrk.format("POST", "/api/checkins", headers, body)
end

function counted(status)
   if status == 200 then
      left = left - 1
      if left == 0 then
         ffi.C.kill(ffi.C.getpid(), 2) -- wrk's own way to end before its time
      end
   end
end

function done(summary, latency)
   local errors = summary.errors
   local lost = errors.connect + errors.read + errors.write + errors.timeout
   io.write(format('\n{"answers": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "lost": %d}\n',
                   summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
                   latency:percentile(99) / 1e3, errors.status, lost))
end
