using System;

namespace Hutch.Kvm;

/// <summary>/dev/kvm cannot be used. The message is a sentence for the user: what is missing and what helps.</summary>
public sealed class KvmUnavailableException(string message) : Exception(message);
