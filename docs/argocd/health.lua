-- Health of Registry, ReplicationRule and RetentionPolicy for Argo CD, from the conditions that kstatus defines.
-- The answer agrees with `kubectl wait`, Flux and Helm: what still moves is Progressing even while it fails and is
-- tried again; Degraded means that nothing more happens until somebody changes something.
local health = { status = "Progressing", message = "Waiting for the operator of NE Registry" }

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "Being deleted"
  return health
end

local status = obj.status
if status == nil or status.conditions == nil then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready, stalled, reconciling = conditions.Ready, conditions.Stalled, conditions.Reconciling

if obj.spec ~= nil and obj.spec.suspend == true then
  health.status = "Suspended"
  health.message = "spec.suspend is set: changes wait"
  return health
end

-- What the conditions say is about an older spec.
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return health
end

if stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = stalled.message or stalled.reason
  return health
end

if reconciling ~= nil and reconciling.status == "True" then
  local about = ready or reconciling
  health.message = about.message or about.reason
  return health
end

if ready ~= nil then
  health.message = ready.message or ready.reason
  if ready.status == "True" then
    health.status = "Healthy"
  elseif ready.status == "False" then
    health.status = "Degraded"
  end
end
return health
