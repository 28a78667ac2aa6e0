using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;

namespace Hutch.Management.Domains;

/// <summary>The domains that are known, by name and UUID. Any thread.</summary>
internal sealed class DomainRegistry
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, OwnedDomain> _byUuid = [];
    private readonly Dictionary<string, OwnedDomain> _byName = new(StringComparer.Ordinal);

    /// <summary>All, by name.</summary>
    internal List<OwnedDomain> All
    {
        get
        {
            lock (_lock) return [.. _byName.Values.OrderBy(static domain => domain.Name, StringComparer.Ordinal)];
        }
    }

    internal OwnedDomain? Find(Guid uuid)
    {
        lock (_lock) return _byUuid.GetValueOrDefault(uuid);
    }

    internal OwnedDomain? Find(string name)
    {
        lock (_lock) return _byName.GetValueOrDefault(name);
    }

    /// <summary>The domain of a name and a UUID, which is made where there is neither. Throws <see cref="ManagementException"/> where there is one of them alone.</summary>
    internal OwnedDomain FindOrAdd(string name, Guid uuid)
    {
        lock (_lock)
        {
            OwnedDomain? sameUuid = _byUuid.GetValueOrDefault(uuid), sameName = _byName.GetValueOrDefault(name);
            if (sameUuid is not null && sameUuid == sameName) return sameUuid;
            if (sameUuid is not null) throw new ManagementException(FailureKind.Exists, $"domain '{sameUuid.Name}' is already defined with uuid {uuid}");
            if (sameName is not null) throw new ManagementException(FailureKind.Exists, $"domain '{name}' already exists with uuid {sameName.Uuid}");
            OwnedDomain added = new(name, uuid);
            _byUuid.Add(uuid, added);
            _byName.Add(name, added);
            return added;
        }
    }

    /// <summary>Forgets one that neither runs nor is kept. Whoever calls has its turn.</summary>
    internal void RemoveIfUnused(OwnedDomain domain)
    {
        lock (_lock)
        {
            if (domain.Kept is not null || domain.Running is not null || _byUuid.GetValueOrDefault(domain.Uuid) != domain) return;
            _byUuid.Remove(domain.Uuid);
            _byName.Remove(domain.Name);
        }
    }
}
