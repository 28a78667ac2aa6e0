using System;

namespace Hutch.Devices;

/// <summary>The operator's configuration cannot be carried out. The message is one sentence: which object, why, and how to mend it.</summary>
public sealed class ConfigException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public ConfigException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public ConfigException(string message, Exception cause) : base(message, cause) { }
}
