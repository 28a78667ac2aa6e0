using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Model.Control;

namespace Hutch.Management.Domains;

/// <summary>Domains of this host. Any thread. What cannot be done throws <see cref="ManagementException"/>.</summary>
public interface IDomainDriver
{
    /// <summary>All domains, by name.</summary>
    ValueTask<IReadOnlyList<Domain>> ListAsync(CallContext context);

    /// <summary>The domain of a name.</summary>
    ValueTask<Domain> FindAsync(CallContext context, string name);

    /// <summary>The domain of a UUID.</summary>
    ValueTask<Domain> FindAsync(CallContext context, Guid uuid);

    /// <summary>Where a domain runs on its host.</summary>
    ValueTask<VmDetails> InspectAsync(CallContext context, Guid uuid);

    /// <summary>Has a domain do one of the things of <see cref="VmVerb"/> that need no option: pause, resume, reset, powerdown, quit.</summary>
    ValueTask ActAsync(CallContext context, Guid uuid, string verb);

    /// <summary>Changes where a domain runs, by an option of <see cref="VmVerb.Set"/>.</summary>
    ValueTask SetAsync(CallContext context, Guid uuid, string option, string value);
}
