namespace Hutch.Daemon.Libvirt.Protocol;

/// <summary>Who may call a procedure; see the head of procedures.txt.</summary>
internal enum Access
{
    /// <summary>Anybody, also before authentication.</summary>
    Auth,

    /// <summary>Who is authenticated, before CONNECT_OPEN too.</summary>
    Open,

    /// <summary>Any open connection.</summary>
    Read,

    /// <summary>An open connection that is not read-only.</summary>
    Write,
}
