namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>What of a domain is printed (virDomainXMLFlags).</summary>
public sealed record DomainXmlOptions
{
    /// <summary>The domain's id, where it runs.</summary>
    public int? Id { get; init; }

    /// <summary>What only a domain that runs has is left out.</summary>
    public bool IsInactive { get; init; }

    /// <summary>Passwords are printed.</summary>
    public bool IsSecure { get; init; }

    /// <summary>For another host: without what it would add by itself; implies <see cref="IsInactive"/> but for what an image is based on.</summary>
    public bool IsMigratable { get; init; }

    /// <summary>Whether what only a domain that runs has is printed.</summary>
    internal bool IsLive => !IsInactive && !IsMigratable;
}
