using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Model.Control;
using Hutch.Model.Domains;

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

    /// <summary>How a domain is defined: as it runs now, or as it is kept for the next start. A domain that does not run has the latter alone, a transient one the former.</summary>
    ValueTask<DomainDefinition> DescribeAsync(CallContext context, Guid uuid, bool isKept);

    /// <summary>Keeps a definition, or another one of the same domain; durable on return. One that runs goes on as it is.</summary>
    ValueTask<Domain> DefineAsync(CallContext context, DomainDefinition definition);

    /// <summary>Starts a domain that is not kept; it is gone when it ends.</summary>
    ValueTask<Domain> CreateAsync(CallContext context, DomainDefinition definition, bool isPaused);

    /// <summary>Starts a domain that is kept.</summary>
    ValueTask<Domain> StartAsync(CallContext context, Guid uuid, bool isPaused);

    /// <summary>Forgets a definition. A domain that runs goes on, as a transient one.</summary>
    ValueTask UndefineAsync(CallContext context, Guid uuid, bool dropsVariables);

    /// <summary>Has a domain that is kept be started with the daemon, or not.</summary>
    ValueTask SetAutostartAsync(CallContext context, Guid uuid, bool isOn);

    /// <summary>Where a domain runs on its host.</summary>
    ValueTask<VmDetails> InspectAsync(CallContext context, Guid uuid);

    /// <summary>Has a domain do one of the things of <see cref="VmVerb"/> that need no option: pause, resume, reset, powerdown, quit. One that quits has ended on return.</summary>
    ValueTask ActAsync(CallContext context, Guid uuid, string verb);

    /// <summary>Changes where a domain runs, by an option of <see cref="VmVerb.Set"/>.</summary>
    ValueTask SetAsync(CallContext context, Guid uuid, string option, string value);
}
